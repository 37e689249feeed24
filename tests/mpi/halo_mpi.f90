! Exchanges arrays of a derived type, and parts of arrays, through `use mpi`. Two ranks.
program halo_mpi
  use mpi
  implicit none
  type particle
    sequence
    double precision :: place(3)
    integer :: kind
    integer :: unused
  end type
  integer, parameter :: n = 500
  type(particle) :: mine(n), theirs(n)
  double precision :: field(40, 30, 20), other(40, 30, 20)
  integer :: ierr, rank, peer, fields, record, face, wrong, i, j, k, request
  integer :: status(MPI_STATUS_SIZE)
  integer(MPI_ADDRESS_KIND) :: places(2), base, extent, lower
  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  peer = 1 - rank
  wrong = 0

  call MPI_Get_address(mine(1), base, ierr)
  call MPI_Get_address(mine(1)%place, places(1), ierr)
  call MPI_Get_address(mine(1)%kind, places(2), ierr)
  places = places - base
  call MPI_Type_create_struct(2, [3, 1], places, [MPI_DOUBLE_PRECISION, MPI_INTEGER], fields, ierr)
  call MPI_Get_address(mine(2), extent, ierr)
  lower = 0
  extent = extent - base
  call MPI_Type_create_resized(fields, lower, extent, record, ierr)
  call MPI_Type_commit(record, ierr)
  do i = 1, n
    mine(i) = particle([rank + i * 1d0, i * 2d0, i * 3d0], rank * 1000 + i, -7)
    theirs(i) = particle([0d0, 0d0, 0d0], 0, i)
  end do
  call MPI_Irecv(theirs, n, record, peer, 1, MPI_COMM_WORLD, request, ierr)
  call MPI_Send(mine, n, record, peer, 1, MPI_COMM_WORLD, ierr)
  call MPI_Wait(request, status, ierr)
  do i = 1, n
    if (theirs(i)%place(1) /= peer + i .or. theirs(i)%place(3) /= i * 3) wrong = wrong + 1
    if (theirs(i)%kind /= peer * 1000 + i .or. theirs(i)%unused /= i) wrong = wrong + 1
  end do

  call MPI_Type_create_subarray(3, [40, 30, 20], [1, 28, 18], [2, 1, 1], MPI_ORDER_FORTRAN, MPI_DOUBLE_PRECISION, &
                                face, ierr)
  call MPI_Type_commit(face, ierr)
  do k = 1, 20
    do j = 1, 30
      do i = 1, 40
        field(i, j, k) = rank + i * 10d0 + j * 1000 + k * 100000
      end do
    end do
  end do
  other = -1
  call MPI_Sendrecv(field, 1, face, peer, 2, other, 1, face, peer, 2, MPI_COMM_WORLD, status, ierr)
  do k = 2, 19
    do j = 2, 29
      if (other(3, j, k) /= peer + 30 + j * 1000 + k * 100000) wrong = wrong + 1
    end do
  end do
  if (count(other == -1) /= 40 * 30 * 20 - 28 * 18) wrong = wrong + 1
  call MPI_Bcast(field, 1, face, 1, MPI_COMM_WORLD, ierr)
  if (field(3, 5, 5) /= 1 + 30 + 5000 + 500000 .or. field(4, 5, 5) /= rank + 40 + 5000 + 500000) wrong = wrong + 1
  call MPI_Type_free(fields, ierr)
  call MPI_Type_free(record, ierr)
  call MPI_Type_free(face, ierr)
  call MPI_Finalize(ierr)
  print *, 'wrong', wrong
  if (wrong /= 0) stop 1
end program
