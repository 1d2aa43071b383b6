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

/* oneDNN 2 and 3 as one: the functions whose arguments differ. A description of memory is a pointer here; the caller destroys it. */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t kairos_onednn_memory;
#else
#include <stdlib.h>
typedef dnnl_memory_desc_t *kairos_onednn_memory;

static inline dnnl_status_t kairos_onednn_kept(kairos_onednn_memory *result, dnnl_status_t status, const dnnl_memory_desc_t *value) {
  if (status != dnnl_success) return status;
  *result = (kairos_onednn_memory)malloc(sizeof(dnnl_memory_desc_t));
  if (!*result) return dnnl_out_of_memory;
  **result = *value;
  return dnnl_success;
}
#endif

static inline void kairos_onednn_memory_destroy(kairos_onednn_memory memory) {
#if DNNL_VERSION_MAJOR >= 3
  dnnl_memory_desc_destroy(memory);
#else
  free(memory);
#endif
}

/* strides: null leaves the order to the library. */
static inline dnnl_status_t kairos_onednn_describe(
    kairos_onednn_memory *result, int count, const int64_t *sizes, dnnl_data_type_t type, const int64_t *strides) {
#if DNNL_VERSION_MAJOR >= 3
  return strides ? dnnl_memory_desc_create_with_strides(result, count, sizes, type, strides)
                 : dnnl_memory_desc_create_with_tag(result, count, sizes, type, dnnl_format_tag_any);
#else
  dnnl_memory_desc_t value;
  dnnl_status_t status = strides ? dnnl_memory_desc_init_by_strides(&value, count, sizes, type, strides)
                                 : dnnl_memory_desc_init_by_tag(&value, count, sizes, type, dnnl_format_tag_any);
  return kairos_onednn_kept(result, status, &value);
#endif
}

static inline dnnl_status_t kairos_onednn_part(
    kairos_onednn_memory *result, kairos_onednn_memory whole, const int64_t *sizes, const int64_t *begins) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_submemory(result, whole, sizes, begins);
#else
  dnnl_memory_desc_t value;
  dnnl_status_t status = dnnl_memory_desc_init_submemory(&value, whole, sizes, begins);
  return kairos_onednn_kept(result, status, &value);
#endif
}

/* what: dnnl_query_weights_md or dnnl_query_scratchpad_md. */
static inline dnnl_status_t kairos_onednn_asked(kairos_onednn_memory *result, dnnl_primitive_desc_t plan, dnnl_query_t what) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_clone(result, dnnl_primitive_desc_query_md(plan, what, 0));
#else
  return kairos_onednn_kept(result, dnnl_success, dnnl_primitive_desc_query_md(plan, what, 0));
#endif
}

static inline dnnl_status_t kairos_onednn_append_sum(dnnl_post_ops_t operations) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_post_ops_append_sum(operations, 1, 0, dnnl_data_type_undef);
#else
  return dnnl_post_ops_append_sum(operations, 1);
#endif
}

static inline dnnl_status_t kairos_onednn_plan_product(
    dnnl_primitive_desc_t *plan, dnnl_engine_t engine, kairos_onednn_memory a, kairos_onednn_memory b, kairos_onednn_memory c,
    dnnl_primitive_attr_t attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(plan, engine, a, b, NULL, c, attributes);
#else
  dnnl_matmul_desc_t operation;
  dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, b, NULL, c);
  return status == dnnl_success ? dnnl_primitive_desc_create(plan, &operation, attributes, engine, NULL) : status;
#endif
}

/* Along time, stride 1, so many zeros at both ends. */
static inline dnnl_status_t kairos_onednn_plan_convolution(
    dnnl_primitive_desc_t *plan, dnnl_engine_t engine, kairos_onednn_memory x, kairos_onednn_memory w, kairos_onednn_memory y, int64_t around,
    dnnl_primitive_attr_t attributes) {
  dnnl_dim_t one = 1;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_dim_t none = 0;
  return dnnl_convolution_forward_primitive_desc_create(
      plan, engine, dnnl_forward_training, dnnl_convolution_direct, x, w, NULL, y, &one, &none, &around, &around, attributes);
#else
  dnnl_convolution_desc_t operation;
  dnnl_status_t status = dnnl_convolution_forward_desc_init(
      &operation, dnnl_forward_training, dnnl_convolution_direct, x, w, NULL, y, &one, &around, &around);
  return status == dnnl_success ? dnnl_primitive_desc_create(plan, &operation, attributes, engine, NULL) : status;
#endif
}

static inline dnnl_status_t kairos_onednn_plan_input_gradient(
    dnnl_primitive_desc_t *plan, dnnl_engine_t engine, kairos_onednn_memory dx, kairos_onednn_memory w, kairos_onednn_memory dy, int64_t around,
    dnnl_primitive_desc_t forward, dnnl_primitive_attr_t attributes) {
  dnnl_dim_t one = 1;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_dim_t none = 0;
  return dnnl_convolution_backward_data_primitive_desc_create(
      plan, engine, dnnl_convolution_direct, dx, w, dy, &one, &none, &around, &around, forward, attributes);
#else
  dnnl_convolution_desc_t operation;
  dnnl_status_t status =
      dnnl_convolution_backward_data_desc_init(&operation, dnnl_convolution_direct, dx, w, dy, &one, &around, &around);
  return status == dnnl_success ? dnnl_primitive_desc_create(plan, &operation, attributes, engine, forward) : status;
#endif
}

/* oneDNN starts as many OpenMP threads as the calling thread has been told to; a new thread has been told nothing. The OpenMP library comes with
 * oneDNN, so that the program need not name it when it is linked. */
typedef void (*kairos_set_threads)(int);
static inline kairos_set_threads kairos_openmp_set_threads(void) {
  return (kairos_set_threads)dlsym((void *)0, "omp_set_num_threads");
}
#endif
