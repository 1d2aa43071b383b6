#include "unfinished_files.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 16, LENGTH = 4096, FREE = 0, TAKEN = 1, FILLED = 2 };

/* Fixed memory and atomic flags alone: the handler may come at any instruction of any thread. */
static char paths[PLACES][LENGTH];
static atomic_int states[PLACES];
static atomic_int is_set;

void kairos_unfinished_remove(void) {
  int kept = errno;
  for (int place = 0; place < PLACES; place++) {
    if (atomic_load(&states[place]) == FILLED) unlink(paths[place]);
  }
  errno = kept;
}

static void remove_and_end(int number) {
  kairos_unfinished_remove();
  /* SA_RESETHAND has put the usual action back; the signal is delivered again when this returns. */
  raise(number);
}

static void set_handlers(void) {
  if (atomic_exchange(&is_set, 1)) return;
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
  for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++) {
    struct sigaction now, action;
    memset(&action, 0, sizeof action);
    action.sa_handler = remove_and_end;
    action.sa_flags = SA_RESETHAND | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    if (sigaction(numbers[index], NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) continue;
    sigaction(numbers[index], &action, NULL);
  }
}

int kairos_unfinished_remember(const char *path) {
  size_t length = strlen(path);
  if (length >= LENGTH) return -1;
  set_handlers();
  for (int place = 0; place < PLACES; place++) {
    int expected = FREE;
    if (!atomic_compare_exchange_strong(&states[place], &expected, TAKEN)) continue;
    memcpy(paths[place], path, length + 1);
    atomic_store(&states[place], FILLED);
    return place;
  }
  return -1;
}

void kairos_unfinished_forget(int place) {
  if (place >= 0 && place < PLACES) atomic_store(&states[place], FREE);
}
