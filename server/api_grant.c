/* server/api_grant.c: rights given to accounts and groups on repositories by name or pattern. Who
 * may give them: auth/group.h.
 *
 * Documented in docs/api.md. */
#include "auth/group.h"
#include "server/answer.h"
#include "server/audit.h"
#include "server/json_repo.h"

typedef struct {
    ko_answer answer;
    ko_str pattern; /* empty: all, in a list */
    ko_meta_owner_kind kind;
    ko_str subject;
    ko_actions actions;
} grant_job;

static int check_right(const grant_job *job, ko_err *err)
{
    const ko_job *base = &job->answer.job;
    bool may;

    if (ko_group_may_grant(base->app->auth, base->app->meta, base->identity, job->pattern, &may,
                           err) < 0)
        return -1;
    if (!may)
        return ko_err_set(err, KO_E_DENIED, "rights on this are not yours to give");
    return 0;
}

static void print_grant(ko_buf *out, ko_str pattern, ko_meta_owner_kind kind, ko_str subject,
                        ko_actions actions)
{
    ko_print_begin(out, NULL, '{');
    ko_print_text(out, "repository", pattern);
    ko_print_text(out, kind == KO_META_OWNER_GROUP ? "group" : "account", subject);
    ko_print_actions(out, "actions", actions);
    ko_print_end(out, '}');
}

/* ---- GET ---- */

static int list_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    grant_job *job = arg;
    ko_answer *answer = &job->answer;
    ko_meta_grant *grants;
    size_t count;

    if (ko_meta_grant_list(tx, job->pattern, answer->last_id, ko_answer_want(answer),
                           answer->job.arena, &grants, &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        ko_answer_next_id(answer, grants[count - 1].id);
    ko_buf_reset(&answer->body);
    ko_print_begin(&answer->body, NULL, '{');
    ko_print_begin(&answer->body, "grants", '[');
    for (size_t i = 0; i < count; i++)
        print_grant(&answer->body, ko_str_of(grants[i].pattern), grants[i].subject_kind,
                    ko_str_of(grants[i].subject), grants[i].actions);
    ko_print_end(&answer->body, ']');
    ko_print_end(&answer->body, '}');
    return ko_buf_ok(&answer->body, err);
}

static int list_run(ko_job *base, ko_err *err)
{
    grant_job *job = (grant_job *)base;

    /* Without a repository: everything, which an administrator was let through for. */
    if (job->pattern.len > 0 && check_right(job, err) < 0)
        return -1;
    return ko_meta_read(base->app->meta, list_tx, job, err);
}

static const char *pattern_query(ko_arena *arena, ko_str pattern)
{
    ko_autobuf text = {0};

    if (pattern.len == 0)
        return NULL;
    ko_buf_init(&text, 4 * KO_KIB);
    (void)ko_buf_put_text(&text, "&repository=");
    (void)ko_url_encode(pattern, "/", &text);
    return ko_arena_strndup(arena, text.data, text.len);
}

static ko_step_ret refuse_pattern(ko_req *req)
{
    return ko_req_problem(req, 400, KO_P_NAME_INVALID, "the repository's name is too long", NULL,
                          NULL);
}

static ko_step_ret grants_find(ko_req *req)
{
    ko_str pattern = KO_STR("");
    grant_job *job;

    (void)ko_params_get(&req->query, "repository", &pattern);
    if (pattern.len == 0 && !ko_answer_by_admin(req))
        return ko_answer_deny(req, "say which repository: only an administrator sees all grants");
    if (pattern.len > KO_MAX_REPO_NAME + 1)
        return refuse_pattern(req);
    job = ko_answer_new(req, grant_job, list_run, NULL);
    if (ko_answer_page_by_id(req, &job->answer) == KO_DONE)
        return KO_DONE;
    job->pattern = ko_arena_str(job->answer.job.arena, pattern);
    job->answer.query = pattern_query(job->answer.job.arena, pattern);
    return ko_req_work(req, &job->answer.job);
}

const ko_step ko_grant_list_steps[] = {KO_STEP(grants_find), KO_STEP(ko_answer_send), KO_STEPS_END};

/* ---- POST ---- */

static int set_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const grant_job *job = arg;

    return ko_group_grant(tx, job->pattern, job->kind, job->subject, job->actions, err);
}

static int set_run(ko_job *base, ko_err *err)
{
    grant_job *job = (grant_job *)base;

    if (check_right(job, err) < 0 ||
        ko_meta_write(base->app->meta, KO_META_DURABLE, set_tx, job, err) < 0)
        return -1;
    print_grant(&job->answer.body, job->pattern, job->kind, job->subject, job->actions);
    return ko_buf_ok(&job->answer.body, err);
}

static ko_step_ret grant_set(ko_req *req)
{
    grant_job *job = ko_answer_new(req, grant_job, set_run, NULL);
    ko_json_grant doc;
    ko_err err;

    if (ko_json_grant_read(ko_answer_document(req), job->answer.job.arena, &doc, &err) < 0) {
        ko_job_drop(&job->answer.job);
        return ko_req_fail(req, &err);
    }
    job->pattern = doc.repository.value;
    job->kind = doc.group.set ? KO_META_OWNER_GROUP : KO_META_OWNER_ACCOUNT;
    job->subject = doc.group.set ? doc.group.value : doc.account.value;
    job->actions = doc.actions.value;
    return ko_req_work(req, &job->answer.job);
}

static void audit_grant(ko_req *req, const char *action)
{
    const grant_job *job = ko_req_job(req, grant_job);
    ko_autobuf text = {0};

    ko_buf_init(&text, KO_MAX_AUDIT_FIELD);
    (void)ko_buf_printf(&text, KO_STR_FMT " " KO_STR_FMT " ", KO_STR_ARG(job->pattern),
                        KO_STR_ARG(job->subject));
    (void)ko_scope_print_actions(job->actions, &text);
    ko_audit_target(req, action, ko_buf_str(&text).ptr, "ok");
}

static ko_step_ret grant_was_set(ko_req *req)
{
    audit_grant(req, "grant.set");
    return ko_answer_send(req);
}

const ko_step ko_grant_post_steps[] = {KO_STEP(ko_answer_read), KO_STEP(grant_set),
                                       KO_STEP(grant_was_set), KO_STEPS_END};

/* ---- DELETE ---- */

static int remove_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const grant_job *job = arg;

    return ko_group_revoke(tx, job->pattern, job->kind, job->subject, err);
}

static int remove_run(ko_job *base, ko_err *err)
{
    if (check_right((grant_job *)base, err) < 0)
        return -1;
    return ko_meta_write(base->app->meta, KO_META_DURABLE, remove_tx, base, err);
}

static ko_step_ret grant_remove(ko_req *req)
{
    ko_str pattern = KO_STR(""), account, group;
    bool has_account = ko_params_get(&req->query, "account", &account);
    bool has_group = ko_params_get(&req->query, "group", &group);
    grant_job *job;

    if (!ko_params_get(&req->query, "repository", &pattern) || has_account == has_group)
        return ko_req_problem(req, 400, KO_P_UNSUPPORTED,
                              "say ?repository= and one of &account= and &group=", NULL, NULL);
    if (pattern.len > KO_MAX_REPO_NAME + 1)
        return refuse_pattern(req);
    job = ko_answer_new(req, grant_job, remove_run, NULL);
    job->pattern = ko_arena_str(job->answer.job.arena, pattern);
    job->kind = has_group ? KO_META_OWNER_GROUP : KO_META_OWNER_ACCOUNT;
    job->subject = ko_arena_str(job->answer.job.arena, has_group ? group : account);
    return ko_req_work(req, &job->answer.job);
}

static ko_step_ret grant_removed(ko_req *req)
{
    audit_grant(req, "grant.remove");
    return ko_req_reply_empty(req, 204);
}

const ko_step ko_grant_delete_steps[] = {KO_STEP(grant_remove), KO_STEP(grant_removed),
                                         KO_STEPS_END};
