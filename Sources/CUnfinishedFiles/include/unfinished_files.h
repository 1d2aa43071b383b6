/* Files that must not outlive an interrupted program: a handler of SIGINT, SIGTERM and SIGHUP removes them. */
#ifndef KAIROS_UNFINISHED_FILES_H
#define KAIROS_UNFINISHED_FILES_H

/* Remembers a path until kairos_unfinished_forget; returns its place, or -1 when there is no room or the path is too long.
 * The first call sets the handler, for those of the three signals that would end the program. */
int kairos_unfinished_remember(const char *path);

void kairos_unfinished_forget(int place);

#endif
