#include "interruption.h"
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

static atomic_int asked;

void kairos_interruption_ask(int number) {
  int expected = 0;
  atomic_compare_exchange_strong(&asked, &expected, number);
}

int kairos_interruption_asked(void) { return atomic_load(&asked); }

/* Launchers may send the same signal twice within a moment, so a second one means no more than the first. */
static void note(int number) { kairos_interruption_ask(number); }

void kairos_interruption_catch(void) {
  static const int numbers[] = {SIGTERM, SIGUSR1};
  for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
    struct sigaction now, action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    /* Reads and writes under way go on. */
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    if (sigaction(numbers[index], NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN) continue;
    sigaction(numbers[index], &action, NULL);
  }
}
