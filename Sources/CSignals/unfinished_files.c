#include "unfinished_files.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLACES = 32, LENGTH = 4096, FREE = 0, TAKEN = 1, FILLED = 2 };

/* Fixed memory and atomic flags alone: the handler may come at any instruction of any thread. */
static char paths[PLACES][LENGTH];
/* Of places that are removed only while they are the very file that was remembered; 0: whatever stands there. */
static dev_t devices[PLACES];
static ino_t inodes[PLACES];
static atomic_int states[PLACES];
static atomic_int is_set;
/* A child that has not become another program must leave its parent's files alone. */
static pid_t owner;

void kairos_unfinished_remove(void) {
  int kept = errno;
  for (int place = 0; place < PLACES && getpid() == owner; place++) {
    struct stat now;
    if (atomic_load(&states[place]) != FILLED) continue;
    if (inodes[place] && (lstat(paths[place], &now) != 0 || now.st_ino != inodes[place] || now.st_dev != devices[place])) continue;
    unlink(paths[place]);
  }
  errno = kept;
}

static void remove_and_end(int number) {
  kairos_unfinished_remove();
  /* SA_RESETHAND has put the usual action back; the signal is delivered again when this returns. */
  raise(number);
}

static void prepare(void) {
  if (atomic_exchange(&is_set, 1)) return;
  owner = getpid();
  atexit(kairos_unfinished_remove);
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

static int remember(const char *path, int identified) {
  size_t length = strlen(path);
  struct stat now;
  if (length >= LENGTH || (identified && lstat(path, &now) != 0)) return -1;
  prepare();
  for (int place = 0; place < PLACES; place++) {
    int expected = FREE;
    if (!atomic_compare_exchange_strong(&states[place], &expected, TAKEN)) continue;
    memcpy(paths[place], path, length + 1);
    devices[place] = identified ? now.st_dev : 0;
    inodes[place] = identified ? now.st_ino : 0;
    atomic_store(&states[place], FILLED);
    return place;
  }
  return -1;
}

int kairos_unfinished_remember(const char *path) { return remember(path, 0); }

int kairos_unfinished_remember_this(const char *path) { return remember(path, 1); }

void kairos_unfinished_forget(int place) {
  if (place >= 0 && place < PLACES) atomic_store(&states[place], FREE);
}
