/* server/conf.h: the settings of kontor-registry, as rows of conf/options.def. Their values:
 * ko_options_u64(opts, KO_CONF_http_idle_timeout) and so on, see common/base/options.h. */
#ifndef KO_SERVER_CONF_H
#define KO_SERVER_CONF_H

#include "common/base/options.h"

#define KO_CONF_ROW_REGISTRY(name)    KO_CONF_##name,
#define KO_OPTION(program, name, ...) KO_CONF_ROW_##program(name)
enum {
#include "conf/options.def"
    KO_CONF_COUNT
};
#undef KO_OPTION

extern const ko_option_table ko_conf_table;

#endif
