/* What the compiler was told about the processor, and what the processor says of itself.
 *
 * The macros are those of `-Xcc -march=...`, which decides over Swift's own code too. The functions that run before the comparison is made are
 * compiled for the oldest x86-64 (and never inlined), so that the comparison itself runs anywhere. */
#ifndef KAIROS_CPROCESSOR_H
#define KAIROS_CPROCESSOR_H
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#define KAIROS_ANY_PROCESSOR \
  __attribute__((noinline, target("no-sse3,no-avx,no-bmi,no-bmi2,no-lzcnt,no-popcnt,no-movbe,no-adx")))
#else
#define KAIROS_ANY_PROCESSOR __attribute__((noinline))
#endif

/* name as in /proc/cpuinfo, macro, cpuid leaf and subleaf, register (0 eax, 1 ebx, 2 ecx, 3 edx), bit, state the system must keep (XCR0) */
#define KAIROS_PROCESSOR_FEATURES(F)                    \
  F(0, "sse3", __SSE3__, 1, 0, 2, 0, 0)                 \
  F(1, "ssse3", __SSSE3__, 1, 0, 2, 9, 0)               \
  F(2, "sse4_1", __SSE4_1__, 1, 0, 2, 19, 0)            \
  F(3, "sse4_2", __SSE4_2__, 1, 0, 2, 20, 0)            \
  F(4, "popcnt", __POPCNT__, 1, 0, 2, 23, 0)            \
  F(5, "movbe", __MOVBE__, 1, 0, 2, 22, 0)              \
  F(6, "avx", __AVX__, 1, 0, 2, 28, 0x6)                \
  F(7, "f16c", __F16C__, 1, 0, 2, 29, 0x6)              \
  F(8, "fma", __FMA__, 1, 0, 2, 12, 0x6)                \
  F(9, "avx2", __AVX2__, 7, 0, 1, 5, 0x6)               \
  F(10, "bmi1", __BMI__, 7, 0, 1, 3, 0)                 \
  F(11, "bmi2", __BMI2__, 7, 0, 1, 8, 0)                \
  F(12, "lzcnt", __LZCNT__, 0x80000001, 0, 2, 5, 0)     \
  F(13, "adx", __ADX__, 7, 0, 1, 19, 0)                 \
  F(14, "gfni", __GFNI__, 7, 0, 2, 8, 0)                \
  F(15, "avx_vnni", __AVXVNNI__, 7, 1, 0, 4, 0x6)       \
  F(16, "avx512f", __AVX512F__, 7, 0, 1, 16, 0xe6)      \
  F(17, "avx512dq", __AVX512DQ__, 7, 0, 1, 17, 0xe6)    \
  F(18, "avx512cd", __AVX512CD__, 7, 0, 1, 28, 0xe6)    \
  F(19, "avx512bw", __AVX512BW__, 7, 0, 1, 30, 0xe6)    \
  F(20, "avx512vl", __AVX512VL__, 7, 0, 1, 31, 0xe6)    \
  F(21, "avx512ifma", __AVX512IFMA__, 7, 0, 1, 21, 0xe6) \
  F(22, "avx512vbmi", __AVX512VBMI__, 7, 0, 2, 1, 0xe6) \
  F(23, "avx512_vbmi2", __AVX512VBMI2__, 7, 0, 2, 6, 0xe6) \
  F(24, "avx512_vnni", __AVX512VNNI__, 7, 0, 2, 11, 0xe6) \
  F(25, "avx512_bitalg", __AVX512BITALG__, 7, 0, 2, 12, 0xe6) \
  F(26, "avx512_vpopcntdq", __AVX512VPOPCNTDQ__, 7, 0, 2, 14, 0xe6) \
  F(27, "avx512_bf16", __AVX512BF16__, 7, 1, 0, 5, 0xe6) \
  F(28, "avx512_fp16", __AVX512FP16__, 7, 0, 3, 23, 0xe6)

#define KAIROS_PROCESSOR_FEATURE_COUNT 29

/* 1 when the macro is defined (to 1, as the compiler does), 0 when not. */
#define KAIROS_STRING(x) #x
#define KAIROS_IS_SET(macro) (KAIROS_STRING(macro)[0] == '1')

/* A bit for every instruction set that this code was compiled to use. */
static inline uint64_t kairos_processor_compiled(void) {
  uint64_t mask = 0;
#define F(bit, name, macro, leaf, subleaf, reg, cpuidbit, state) if (KAIROS_IS_SET(macro)) mask |= (uint64_t)1 << bit;
#if defined(__x86_64__)
  KAIROS_PROCESSOR_FEATURES(F)
#endif
#undef F
  return mask;
}

#if defined(__x86_64__)
KAIROS_ANY_PROCESSOR static inline int kairos_processor_has(unsigned leaf, unsigned subleaf, int reg, int bit, unsigned state) {
  unsigned r[4] = {0, 0, 0, 0};
  if (state) {
    unsigned low, high;
    if (!__get_cpuid_count(1, 0, &r[0], &r[1], &r[2], &r[3]) || !(r[2] & (1u << 27))) return 0; /* OSXSAVE */
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0)); /* xgetbv */
    if ((low & state) != state) return 0;
  }
  if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3])) return 0;
  return (r[reg] >> bit) & 1;
}
#endif

/* A bit for every instruction set that the processor and the system offer. */
KAIROS_ANY_PROCESSOR static inline uint64_t kairos_processor_present(void) {
  uint64_t mask = 0;
#define F(bit, name, macro, leaf, subleaf, reg, cpuidbit, state) \
  if (kairos_processor_has(leaf, subleaf, reg, cpuidbit, state)) mask |= (uint64_t)1 << bit;
#if defined(__x86_64__)
  KAIROS_PROCESSOR_FEATURES(F)
#endif
#undef F
  return mask;
}

KAIROS_ANY_PROCESSOR static inline const char *kairos_processor_feature_name(int index) {
  switch (index) {
#define F(bit, name, macro, leaf, subleaf, reg, cpuidbit, state) case bit: return name;
    KAIROS_PROCESSOR_FEATURES(F)
#undef F
  }
  return "";
}

KAIROS_ANY_PROCESSOR static inline size_t kairos_processor_append(char *buffer, size_t length, size_t capacity, const char *text) {
  while (*text && length + 1 < capacity) buffer[length++] = *text++;
  buffer[length] = 0;
  return length;
}

/* The message for the instruction sets in `missing`, ended by 0; returns its length. A buffer of 1,024 holds it in any case. */
KAIROS_ANY_PROCESSOR static inline size_t kairos_processor_message(uint64_t missing, char *buffer, size_t capacity) {
  size_t n = kairos_processor_append(buffer, 0, capacity, "error: this program was built for a processor with ");
  int first = 1;
  for (int i = 0; i < KAIROS_PROCESSOR_FEATURE_COUNT; i++) {
    if (!((missing >> i) & 1)) continue;
    if (!first) n = kairos_processor_append(buffer, n, capacity, ", ");
    n = kairos_processor_append(buffer, n, capacity, kairos_processor_feature_name(i));
    first = 0;
  }
  n = kairos_processor_append(buffer, n, capacity, ", this one lacks that\n");
  return kairos_processor_append(
      buffer, n, capacity, "  do: build it on this machine with launch/build, or elsewhere with launch/build --processor x86-64-v2 (or -v3)\n");
}

/* Ends the program with a message and exit code 1 when the processor lacks what `compiled` asks for. */
KAIROS_ANY_PROCESSOR static inline void kairos_processor_require(uint64_t compiled) {
  uint64_t missing = compiled & ~kairos_processor_present();
  if (!missing) return;
  char buffer[1024];
  size_t n = kairos_processor_message(missing, buffer, sizeof buffer);
  ssize_t written = write(2, buffer, n);
  (void)written;
  _exit(1);
}

/* For a loop that waits for another thread: spares the core that shares this one's units. */
static inline void kairos_processor_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
#endif
