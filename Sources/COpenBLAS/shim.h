/* OpenBLAS for Swift. */
#ifndef KAIROS_COPENBLAS_SHIM_H
#define KAIROS_COPENBLAS_SHIM_H
#include <cblas.h>
#endif
