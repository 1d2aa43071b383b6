/* oneDNN for Swift: macros that Swift cannot read, as prefixed inline functions. */
#ifndef KAIROS_CONEDNN_SHIM_H
#define KAIROS_CONEDNN_SHIM_H
#include <dlfcn.h>
#include <dnnl.h>

static inline int kairos_onednn_arg_src(void) { return DNNL_ARG_SRC; }
static inline int kairos_onednn_arg_weights(void) { return DNNL_ARG_WEIGHTS; }
static inline int kairos_onednn_arg_dst(void) { return DNNL_ARG_DST; }
static inline int kairos_onednn_arg_diff_src(void) { return DNNL_ARG_DIFF_SRC; }
static inline int kairos_onednn_arg_diff_dst(void) { return DNNL_ARG_DIFF_DST; }
static inline int kairos_onednn_arg_from(void) { return DNNL_ARG_FROM; }
static inline int kairos_onednn_arg_to(void) { return DNNL_ARG_TO; }
static inline unsigned kairos_onednn_default_stream(void) { return dnnl_stream_default_flags; }
static inline int kairos_onednn_arg_scratchpad(void) { return DNNL_ARG_SCRATCHPAD; }

/* oneDNN starts as many OpenMP threads as the calling thread has been told to; a new thread has been told nothing. The OpenMP library comes with
 * oneDNN, so that the program need not name it when it is linked. */
typedef void (*kairos_set_threads)(int);
static inline kairos_set_threads kairos_openmp_set_threads(void) {
  return (kairos_set_threads)dlsym((void *)0, "omp_set_num_threads");
}
#endif
