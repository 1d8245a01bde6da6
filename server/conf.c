/* server/conf.c: the rows themselves. */
#include "server/conf.h"

#define KO_CONF_ROW_OF_REGISTRY(k, f, t, d, lo, hi, u, c, r, x)                                    \
    {.key = (k),                                                                                   \
     .flag = (f),                                                                                  \
     .type = KO_OPT_##t,                                                                           \
     .def = (d),                                                                                   \
     .min = (lo),                                                                                  \
     .max = (hi),                                                                                  \
     .unit = (u),                                                                                  \
     .choices = (c),                                                                               \
     .reloadable = (r),                                                                            \
     .text = (x)},
#define KO_OPTION(program, name, ...) KO_CONF_ROW_OF_##program(__VA_ARGS__)

static const ko_option ROWS[] = {
#include "conf/options.def"
};

_Static_assert(KO_ARRAY_LEN(ROWS) == KO_CONF_COUNT, "one row per name");

const ko_option_table ko_conf_table = {"kontor-registry", ROWS, KO_CONF_COUNT};
