/* server/notify.c: see notify.h. The protocol is one datagram of NAME=VALUE lines to the socket
 * that $NOTIFY_SOCKET names; a leading '@' stands for the abstract name space. */
#include "server/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "common/base/own.h"

void ko_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    struct timespec now;
    char text[128];
    int used;

    if (len < 2 || len >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0';
    ko_autofd fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* Type=notify-reload wants the time along with RELOADING=1. */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    used = snprintf(text, sizeof(text), "%s\nMONOTONIC_USEC=%lld", state,
                    (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    (void)sendto(fd, text, (size_t)used, MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}
