/* storage/datafile.h: files of the data directory that every process on it opens. */
#ifndef KO_STORAGE_DATAFILE_H
#define KO_STORAGE_DATAFILE_H

#include "common/base/err.h"

/* Makes an empty file that only its owner may read; one that is there is success. Made by root, it
 * belongs to the owner of its directory: the command line tool may be run by root, the server is
 * not. errors NO_SPACE, DENIED, IO. */
KO_MUST_USE int ko_datafile_make(const char *path, ko_err *err);

#endif
