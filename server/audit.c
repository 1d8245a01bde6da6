/* server/audit.c: see audit.h. A row is a job of its own on the pool; when the pool is full the row
 * is dropped and the log says so, for a registry that answers is worth more. */
#include "server/audit.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "storage/meta_audit.h"

typedef struct {
    ko_work work;
    ko_app *app;
    ko_arena *arena;
    ko_meta_audit row;
} audit_job;

static int audit_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    return ko_meta_audit_add(tx, &((audit_job *)arg)->row, err);
}

static void audit_run(ko_work *work)
{
    audit_job *job = KO_CONTAINER(work, audit_job, work);
    ko_err err;

    if (ko_meta_write(job->app->meta, KO_META_LAZY, audit_tx, job, &err) < 0)
        ko_log(KO_WARN, "audit.lost", KO_F_VIEW("action", job->row.action), KO_F_ERR(&err));
}

static void audit_done(ko_work *work)
{
    audit_job *job = KO_CONTAINER(work, audit_job, work);

    ko_app_release(job->app);
    ko_arena_free(job->arena);
}

static void submit(ko_req *req, ko_str account, const char *action, const char *target,
                   const char *outcome)
{
    ko_arena *arena = ko_arena_new();
    audit_job *job = ko_arena_new_obj(arena, audit_job);
    ko_err err;

    job->work.run = audit_run;
    job->work.done = audit_done;
    job->arena = arena;
    job->app = ko_app_hold(req->app);
    job->row = (ko_meta_audit){.at_s = ko_clock_wall_s(),
                               .account = ko_arena_str(arena, account),
                               .action = ko_str_of(action),
                               .target = ko_str_of(ko_arena_strdup(arena, target)),
                               .address = ko_str_of(ko_arena_strdup(arena, req->peer)),
                               .outcome = ko_str_of(outcome)};
    if (ko_pool_submit(req->app->pool, ko_http_loop(req->x), &job->work, &err) < 0) {
        ko_log(KO_WARN, "audit.lost", KO_F_STR("action", action), KO_F_ERR(&err));
        audit_done(&job->work);
    }
}

void ko_audit_target(ko_req *req, const char *action, const char *target, const char *outcome)
{
    submit(req, ko_str_of(req->identity ? req->identity->name : ""), action, target, outcome);
}

void ko_audit(ko_req *req, const char *action, const char *detail)
{
    ko_audit_target(req, action,
                    ko_arena_printf(req->arena, KO_STR_FMT "%s%s", KO_STR_ARG(req->route.repo),
                                    detail ? " " : "", detail ? detail : ""),
                    "ok");
}

void ko_audit_login_failed(ko_req *req, ko_str user)
{
    if (user.len > 0)
        submit(req, ko_str_slice(user, 0, KO_MAX_ACCOUNT_NAME), "login", "", "denied");
}
