! Sends a part of an array by its type and, where the library can, as it stands, through `use mpi_f08`. Two ranks.
program halo_f08
  use mpi_f08
  implicit none
  integer, parameter :: n = 64
  real, asynchronous :: field(n, n), other(n, n)
  real :: packed(n)
  integer :: rank, peer, i, j, wrong, position, bytes, elements
  type(MPI_Datatype) :: row
  type(MPI_Request) :: requests(2)
  type(MPI_Status) :: statuses(2)
  call MPI_Init()
  call MPI_Comm_rank(MPI_COMM_WORLD, rank)
  peer = 1 - rank
  wrong = 0
  do j = 1, n
    do i = 1, n
      field(i, j) = rank * 10000 + i * 100 + j
    end do
  end do
  other = -1
  call MPI_Type_vector(n, 1, n, MPI_REAL, row)
  call MPI_Type_commit(row)
  call MPI_Irecv(other(2, 1), 1, row, peer, 1, MPI_COMM_WORLD, requests(1))
  call MPI_Isend(field(5, 1), 1, row, peer, 1, MPI_COMM_WORLD, requests(2))
  call MPI_Waitall(2, requests, statuses)
  call MPI_Get_count(statuses(1), row, elements)
  if (elements /= 1) wrong = wrong + 1
  do j = 1, n
    if (other(2, j) /= peer * 10000 + 500 + j .or. other(1, j) /= -1 .or. other(3, j) /= -1) wrong = wrong + 1
  end do
  position = 0
  call MPI_Pack_size(1, row, MPI_COMM_WORLD, bytes)
  call MPI_Pack(field(7, 1), 1, row, packed, bytes, position, MPI_COMM_WORLD)
  if (any(packed /= field(7, :)) .or. position /= 4 * n) wrong = wrong + 1
  if (MPI_SUBARRAYS_SUPPORTED) then
    other = -1
    if (rank == 0) then
      call MPI_Send(field(1:n:2, 4), n / 2, MPI_REAL, peer, 2, MPI_COMM_WORLD)
    else
      ! Of one dimension: MPICH 4.0.2 puts the columns of a larger section in wrong places.
      call MPI_Recv(other(2:n:2, 6), n / 2, MPI_REAL, peer, 2, MPI_COMM_WORLD, MPI_STATUS_IGNORE)
      do i = 1, n, 2
        if (other(i + 1, 6) /= i * 100 + 4 .or. other(i, 6) /= -1) wrong = wrong + 1
      end do
    end if
  end if
  call MPI_Type_free(row)
  call MPI_Finalize()
  print *, 'wrong', wrong
  if (wrong /= 0) stop 1
end program
