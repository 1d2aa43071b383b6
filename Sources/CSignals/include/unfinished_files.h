/* Files that must not outlive an interrupted program: a handler of SIGINT, SIGTERM, SIGHUP and SIGUSR1 removes them, and so does every exit(). */
#ifndef KAIROS_UNFINISHED_FILES_H
#define KAIROS_UNFINISHED_FILES_H

/* Remembers a path until kairos_unfinished_forget; returns its place, or -1 when there is no room or the path is too long.
 * The first call sets the handler, for those of the signals that would end the program (not those of interruption.h once kairos_interruption_catch
 * has been called). */
int kairos_unfinished_remember(const char *path);

/* The same for a file that is there: another file that has taken its place stays. */
int kairos_unfinished_remember_this(const char *path);

void kairos_unfinished_forget(int place);

/* Removes what is remembered now, before an end without a signal. */
void kairos_unfinished_remove(void);

/* Waits until a part of an open file is on the disk. Returns 0, or -1 where the file system does not know that. */
int kairos_write_back(int descriptor, long long first, long long count);

#endif
