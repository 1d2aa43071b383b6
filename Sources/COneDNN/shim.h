/* oneDNN for Swift. */
#ifndef KAIROS_CONEDNN_SHIM_H
#define KAIROS_CONEDNN_SHIM_H
#include <dnnl.h>
#endif
