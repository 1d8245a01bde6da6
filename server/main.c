/* server/main.c: kontor-registry. Commands are in cli_*.c, the server in app.c. */
#include <unistd.h>

#include "server/cli.h"

int main(int argc, char **argv)
{
    return ko_cli_run(argc > 0 ? argc - 1 : 0, (const char *const *)argv + 1,
                      (const char *const *)environ);
}
