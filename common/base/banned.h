/* common/base/banned.h: functions whose use is a mistake here; forced in by the Makefile. The
 * system headers that declare them come first, so that only our uses are poisoned. rand() and
 * system(), which other headers use as parameter names, are left to the lint's word list. */
#ifndef KO_BASE_BANNED_H
#define KO_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* clang sees glibc's fortified forms as macros, which cannot be poisoned. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets
#pragma GCC poison atoi atol atoll atof localtime gmtime ctime asctime tmpnam mktemp tempnam

#endif
