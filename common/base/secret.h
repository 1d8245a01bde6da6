/* common/base/secret.h: bytes that are wiped when they go and never logged. Compared in constant
 * time. Threads: one thread at a time. */
#ifndef KO_BASE_SECRET_H
#define KO_BASE_SECRET_H

#include <stdbool.h>

#include "common/base/own.h"
#include "common/base/str.h"

typedef struct ko_secret ko_secret;

ko_secret *ko_secret_new(ko_str bytes); /* copies; owned by the caller: ko_secret_free() */
ko_secret *ko_secret_free(ko_secret *secret);
KO_DEFINE_AUTOPTR(ko_secret, ko_secret_free);

ko_str ko_secret_reveal(const ko_secret *secret); /* NUL-terminated view, valid while it lives */
bool ko_secret_eq(const ko_secret *secret, ko_str bytes);
void ko_secret_wipe(void *bytes, size_t len); /* not optimised away */

#endif
