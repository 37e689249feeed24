! Exchanges the edges of an array with derived types, as programs with mpif.h do. Two ranks.
      program halo_mpif
      implicit none
      include 'mpif.h'
      integer n, ierr, rank, peer, column, row, i, j, wrong
      integer requests(4)
      integer position, bytes
      integer status(MPI_STATUS_SIZE)
      parameter (n = 60)
      double precision a(0:n+1, 0:n+1)
      character packed(8*n)
      call MPI_INIT(ierr)
      call MPI_COMM_RANK(MPI_COMM_WORLD, rank, ierr)
      peer = 1 - rank
      do j = 0, n + 1
        do i = 0, n + 1
          a(i, j) = -1
          if (i .ge. 1 .and. i .le. n .and. j .ge. 1 .and. j .le. n)
     &      a(i, j) = rank * 1000000 + i * 1000 + j
        end do
      end do
      call MPI_TYPE_VECTOR(n, 1, n + 2, MPI_DOUBLE_PRECISION, row, ierr)
      call MPI_TYPE_CONTIGUOUS(n, MPI_DOUBLE_PRECISION, column, ierr)
      call MPI_TYPE_COMMIT(row, ierr)
      call MPI_TYPE_COMMIT(column, ierr)
      call MPI_IRECV(a(0, 1), 1, row, peer, 1, MPI_COMM_WORLD,
     &               requests(1), ierr)
      call MPI_IRECV(a(1, 0), 1, column, peer, 2, MPI_COMM_WORLD,
     &               requests(2), ierr)
      call MPI_ISEND(a(n, 1), 1, row, peer, 1, MPI_COMM_WORLD,
     &               requests(3), ierr)
      call MPI_ISEND(a(1, n), 1, column, peer, 2, MPI_COMM_WORLD,
     &               requests(4), ierr)
      call MPI_WAITALL(4, requests, MPI_STATUSES_IGNORE, ierr)
      call MPI_SENDRECV(a(1, 1), 1, row, peer, 3, a(n + 1, 1), 1, row,
     &                  peer, 3, MPI_COMM_WORLD, status, ierr)
      wrong = 0
      do j = 1, n
        if (a(0, j) .ne. peer * 1000000 + n * 1000 + j)
     &    wrong = wrong + 1
        if (a(n + 1, j) .ne. peer * 1000000 + 1000 + j)
     &    wrong = wrong + 1
        if (a(j, 0) .ne. peer * 1000000 + j * 1000 + n)
     &    wrong = wrong + 1
      end do
      if (a(0, 0) .ne. -1 .or. a(0, n + 1) .ne. -1) wrong = wrong + 1
      call MPI_GET_COUNT(status, row, i, ierr)
      if (i .ne. 1) wrong = wrong + 1
      position = 0
      call MPI_PACK_SIZE(1, row, MPI_COMM_WORLD, bytes, ierr)
      call MPI_PACK(a(3, 1), 1, row, packed, bytes, position,
     &              MPI_COMM_WORLD, ierr)
      if (position .ne. 8 * n) wrong = wrong + 1
      position = 0
      call MPI_UNPACK(packed, bytes, position, a(4, 1), 1, row,
     &                MPI_COMM_WORLD, ierr)
      do j = 1, n
        if (a(4, j) .ne. a(3, j)) wrong = wrong + 1
      end do
      call MPI_TYPE_FREE(row, ierr)
      call MPI_TYPE_FREE(column, ierr)
      call MPI_FINALIZE(ierr)
      print *, 'wrong', wrong
      if (wrong .ne. 0) stop 1
      end program
