/* zlib for Swift: macros that Swift cannot read, as prefixed inline functions. */
#ifndef KAIROS_CZLIB_SHIM_H
#define KAIROS_CZLIB_SHIM_H
#include <zlib.h>

/* Deflate without zlib's or gzip's frame, as in ZIP files. */
static inline int kairos_inflate_begin(z_stream *stream) { return inflateInit2(stream, -MAX_WBITS); }
static inline int kairos_deflate_begin(z_stream *stream) {
  return deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
}
#endif
