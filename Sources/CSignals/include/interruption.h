/* Signals that ask a run to end at the next good moment, with a checkpoint: a handler of SIGTERM and SIGUSR1 takes note of the first one. */
#ifndef KAIROS_INTERRUPTION_H
#define KAIROS_INTERRUPTION_H

/* From now on the two signals are noted instead of ending the program; one that the starter has set to be ignored stays ignored. May come before or
 * after the handlers of unfinished files; SIGINT and SIGHUP end the program as before. */
void kairos_interruption_catch(void);

/* Notes a signal that another process was sent. */
void kairos_interruption_ask(int number);

/* The first signal noted; 0: none. */
int kairos_interruption_asked(void);

#endif
