import COpenMPI
