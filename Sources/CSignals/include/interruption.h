/* Signals that ask a run to end at the next good moment, with a checkpoint: a handler of SIGTERM, SIGUSR1 and SIGINT takes note of the
 * first one. */
#ifndef KAIROS_INTERRUPTION_H
#define KAIROS_INTERRUPTION_H

/* Handlers that are set with SA_ONSTACK run on a stack of their own when a signal comes to the calling thread. */
void kairos_interruption_use_own_stack(void);

/* From now on the three signals are noted instead of ending the program; one that the starter has set to be ignored stays ignored. A second SIGINT
 * ends the program. May come before or after the handlers of unfinished files; SIGHUP ends the program as before. To be called on the thread that
 * computes. */
void kairos_interruption_catch(void);

/* Notes a signal that another process was sent. */
void kairos_interruption_ask(int number);

/* The first signal noted; 0: none. */
int kairos_interruption_asked(void);

/* The system kills this process (SIGKILL, also a stopped one) when it is still there after so many seconds. Returns 0, or -1 where there is no
 * such timer. */
int kairos_last_deadline(double seconds);

#endif
