/* server/notify.h: tells the service manager how things are: sd_notify(3) without libsystemd.
 * Threads: any. */
#ifndef KO_SERVER_NOTIFY_H
#define KO_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1", "RELOADING=1". Does nothing when no NOTIFY_SOCKET is set. Never fails: a
 * manager that does not listen is no reason not to serve. */
void ko_notify(const char *state);

#endif
