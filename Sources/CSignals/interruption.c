#include "interruption.h"
#include "unfinished_files.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

static atomic_int asked;

/* oneDNN's float32 products point the stack register into memory of the heap while they multiply: what the system puts on the stack for a handler
 * would be written over the blocks before it. */
void kairos_interruption_use_own_stack(void) {
  stack_t now, own;
  if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE)) return;
  memset(&own, 0, sizeof own);
  /* With all registers of the processor: AT_MINSIGSTKSZ. */
  own.ss_size = (size_t)getauxval(51) + (32 << 10);
  own.ss_sp = malloc(own.ss_size);
  if (own.ss_sp && sigaltstack(&own, NULL) != 0) free(own.ss_sp);
}

void kairos_interruption_ask(int number) {
  int expected = 0;
  atomic_compare_exchange_strong(&asked, &expected, number);
}

int kairos_interruption_asked(void) { return atomic_load(&asked); }

/* Launchers may send the same signal twice within a moment, so a second one means no more than the first. */
static void note(int number) { kairos_interruption_ask(number); }

/* Ctrl-C twice ends at once; twice within a quarter of a second is one that came by two ways (to the process and to its group). */
static void note_interrupt(int number) {
  static _Atomic long long first;
  struct timespec time;
  int kept = errno;
  clock_gettime(CLOCK_MONOTONIC, &time);
  long long now = time.tv_sec * 1000LL + time.tv_nsec / 1000000 + 1, expected = 0;
  if (atomic_compare_exchange_strong(&first, &expected, now)) {
    static const char words[] = "\nSIGINT: ending at the next good moment; a second one ends at once\n";
    if (isatty(STDERR_FILENO) && write(STDERR_FILENO, words, sizeof words - 1) < 0) { /* Nobody to tell. */ }
    kairos_interruption_ask(number);
  } else if (now - expected >= 250) {
    kairos_unfinished_remove();
    signal(number, SIG_DFL);
    raise(number);
  }
  errno = kept;
}

void kairos_interruption_catch(void) {
  kairos_interruption_use_own_stack();
  static const int numbers[] = {SIGTERM, SIGUSR1, SIGINT};
  for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
    struct sigaction now, action;
    memset(&action, 0, sizeof action);
    action.sa_handler = numbers[index] == SIGINT ? note_interrupt : note;
    /* Reads and writes under way go on. */
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(numbers[index], NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN) continue;
    sigaction(numbers[index], &action, NULL);
  }
}
