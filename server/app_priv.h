/* server/app_priv.h: what only app.c and the operator's pages (api_ops.c) look at. */
#ifndef KO_SERVER_APP_PRIV_H
#define KO_SERVER_APP_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "server/app.h"
#include "server/chores.h"
#include "storage/upkeep.h"

typedef struct ko_app_run {
    _Atomic(ko_settings *) settings; /* the newest; older ones hang on it */
    ko_loop **loops;
    pthread_t *threads; /* of all loops but the first, which is the main thread's */
    size_t loop_count;
    size_t started;
    ko_tls *tls; /* NULL: plain HTTP */
    bool own_certificate;
    ko_chores *chores;
    ko_upkeep *upkeep;
    atomic_uint_fast64_t holds; /* what is under way, and one for the server itself */
    ko_post stop_post;          /* to the first loop when the last hold goes */
    ko_signal reload, term, intr;
    bool stopping;
} ko_app_run;

#endif
