/* Open MPI for Swift: macros that Swift cannot read, as prefixed inline functions. */
#ifndef KAIROS_COPENMPI_SHIM_H
#define KAIROS_COPENMPI_SHIM_H
#include <mpi.h>
static inline MPI_Comm kairos_mpi_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm kairos_mpi_comm_self(void) { return MPI_COMM_SELF; }
static inline MPI_Comm kairos_mpi_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Info kairos_mpi_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Datatype kairos_mpi_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype kairos_mpi_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype kairos_mpi_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype kairos_mpi_uint8(void) { return MPI_UINT8_T; }
static inline MPI_Datatype kairos_mpi_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype kairos_mpi_uint16(void) { return MPI_UINT16_T; }
static inline MPI_Op kairos_mpi_sum(void) { return MPI_SUM; }
static inline MPI_Op kairos_mpi_max(void) { return MPI_MAX; }
static inline MPI_Op kairos_mpi_min(void) { return MPI_MIN; }
static inline int kairos_mpi_comm_type_shared(void) { return MPI_COMM_TYPE_SHARED; }
static inline int kairos_mpi_tag_ub(void) { return MPI_TAG_UB; }
static inline MPI_Errhandler kairos_mpi_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline void *kairos_mpi_in_place(void) { return MPI_IN_PLACE; }
#endif
