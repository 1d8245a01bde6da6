/* server/api_secret.c: /v2/_kontor/tokens: personal tokens, and the secrets of robots.
 *
 * A token is made with the password and never with another token, so that one that leaked cannot
 * outlive its revocation. Robots have no password: administrators make and revoke their secrets.
 *
 * Documented in docs/api.md. */
#include "auth/account.h"
#include "common/base/clock.h"
#include "common/base/secret.h"
#include "server/answer.h"
#include "server/audit.h"
#include "server/json_account.h"

typedef struct {
    ko_answer answer;
    ko_str account; /* whose tokens; empty: the caller's */
    int64_t account_id;
    ko_json_secret_new doc;
    int64_t id;
} secret_job;

/* The answer to a POST holds the token itself. */
static void secret_drop(ko_job *base)
{
    ko_buf *body = &((ko_answer *)base)->body;

    if (body->len > 0)
        ko_secret_wipe(body->data, body->len);
    ko_answer_drop(base);
}

static secret_job *secret_job_new(ko_req *req, int (*run)(ko_job *base, ko_err *err))
{
    secret_job *job = ko_answer_new(req, secret_job, run, secret_drop);

    job->account = KO_STR("");
    job->account_id = req->identity->account_id;
    return job;
}

static bool is_own(const ko_req *req, ko_str account)
{
    return account.len == 0 || ko_str_eq(account, ko_str_of(req->identity->name));
}

/* Takes ?account=, which only an administrator may point at another. */
static ko_step_ret take_account(ko_req *req, secret_job *job)
{
    ko_str account = KO_STR("");

    (void)ko_params_get(&req->query, "account", &account);
    if (is_own(req, account))
        return KO_NEXT;
    if (!ko_answer_by_admin(req)) {
        ko_job_drop(&job->answer.job);
        return ko_answer_deny(req, "only an administrator sees the tokens of others");
    }
    job->account = ko_arena_str(job->answer.job.arena, account);
    return KO_NEXT;
}

static int find_account(ko_meta_tx *tx, secret_job *job, ko_meta_account *out, ko_err *err)
{
    if (ko_meta_account_find(tx, job->account, job->answer.job.arena, out, err) < 0)
        return -1;
    job->account_id = out->owner.id;
    return 0;
}

/* ---- GET ---- */

static void print_secret(const ko_meta_secret *secret, ko_buf *out)
{
    ko_print_begin(out, NULL, '{');
    ko_print_u64(out, "id", (uint64_t)secret->id);
    ko_print_text(out, "name", ko_str_of(secret->name));
    ko_print_text(out, "scope", ko_str_of(secret->scope));
    ko_print_time(out, "created_at", secret->created_at_s);
    ko_print_time(out, "expires_at", secret->expires_at_s);
    ko_print_time(out, "last_used_at", secret->last_used_at_s);
    ko_print_end(out, '}');
}

static int list_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    secret_job *job = arg;
    ko_answer *answer = &job->answer;
    ko_meta_account account;
    ko_meta_secret *secrets;
    size_t count;

    if (job->account.len > 0 && find_account(tx, job, &account, err) < 0)
        return -1;
    if (ko_meta_secret_list(tx, job->account_id, answer->last_id, ko_answer_want(answer),
                            answer->job.arena, &secrets, &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        ko_answer_next_id(answer, secrets[count - 1].id);
    ko_buf_reset(&answer->body);
    ko_print_begin(&answer->body, NULL, '{');
    ko_print_begin(&answer->body, "tokens", '[');
    for (size_t i = 0; i < count; i++)
        print_secret(&secrets[i], &answer->body);
    ko_print_end(&answer->body, ']');
    ko_print_end(&answer->body, '}');
    return ko_buf_ok(&answer->body, err);
}

static int list_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, list_tx, base, err);
}

static ko_step_ret secrets_find(ko_req *req)
{
    secret_job *job = secret_job_new(req, list_run);

    if (take_account(req, job) == KO_DONE || ko_answer_page_by_id(req, &job->answer) == KO_DONE)
        return KO_DONE;
    if (job->account.len > 0) /* an account's name leaves nothing to escape once it was found */
        job->answer.query = ko_arena_printf(job->answer.job.arena, "&account=" KO_STR_FMT,
                                            KO_STR_ARG(job->account));
    return ko_req_work(req, &job->answer.job);
}

const ko_step ko_secret_list_steps[] = {KO_STEP(secrets_find), KO_STEP(ko_answer_send),
                                        KO_STEPS_END};

/* ---- POST ---- */

static int robot_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    secret_job *job = arg;
    ko_meta_account account;

    if (find_account(tx, job, &account, err) < 0)
        return -1;
    if (account.kind != KO_META_ROBOT)
        return ko_err_set(err, KO_E_DENIED, "a person's token is made by that person");
    return 0;
}

static int make_run(ko_job *base, ko_err *err)
{
    secret_job *job = (secret_job *)base;
    ko_buf *out = &job->answer.body;
    const ko_json_secret_new *doc = &job->doc;
    char text[KO_CREDENTIAL_MAX];
    ko_account_secret_new spec = {
        .name = doc->name.value,
        .scope = doc->scope.set ? doc->scope.value : KO_STR(""),
        .expires_at_s = doc->expires_in.value > 0 ? ko_clock_wall_s() + doc->expires_in.value : 0,
        .by = base->identity->account_id,
    };

    if (job->account.len > 0 && ko_meta_read(base->app->meta, robot_tx, job, err) < 0)
        return -1;
    spec.account_id = job->account_id;
    if (ko_account_create_secret(base->app->meta, &spec, text, &job->id, err) < 0)
        return -1;
    job->answer.status = 201;
    job->answer.location =
        ko_arena_printf(base->arena, "/v2/_kontor/tokens/%lld", (long long)job->id);
    ko_print_begin(out, NULL, '{');
    ko_print_u64(out, "id", (uint64_t)job->id);
    ko_print_text(out, "name", spec.name);
    ko_print_text(out, "scope", spec.scope);
    ko_print_time(out, "expires_at", spec.expires_at_s);
    ko_print_text(out, "token", ko_str_of(text));
    ko_print_end(out, '}');
    ko_secret_wipe(text, sizeof(text));
    return ko_buf_ok(out, err);
}

static ko_step_ret secret_make(ko_req *req)
{
    secret_job *job = secret_job_new(req, make_run);
    ko_err err;
    bool own;

    if (ko_json_secret_new_read(ko_answer_document(req), job->answer.job.arena, &job->doc, &err) <
        0) {
        ko_job_drop(&job->answer.job);
        return ko_req_fail(req, &err);
    }
    own = !job->doc.account.set || is_own(req, job->doc.account.value);
    if (own ? req->identity->via != KO_VIA_PASSWORD : !ko_answer_by_admin(req)) {
        ko_job_drop(&job->answer.job);
        return ko_answer_deny(req, own ? "log in with the password, not with a token, to make one"
                                       : "only an administrator makes the secret of a robot");
    }
    if (!own)
        job->account = job->doc.account.value;
    return ko_req_work(req, &job->answer.job);
}

static void audit_secret(ko_req *req, const char *action)
{
    const secret_job *job = ko_req_job(req, secret_job);
    ko_str account = job->account.len > 0 ? job->account : ko_str_of(req->identity->name);

    ko_audit_target(
        req, action,
        ko_arena_printf(req->arena, KO_STR_FMT " %lld", KO_STR_ARG(account), (long long)job->id),
        "ok");
}

static ko_step_ret secret_made(ko_req *req)
{
    audit_secret(req, "token.create");
    return ko_answer_send(req);
}

const ko_step ko_secret_post_steps[] = {KO_STEP(ko_answer_read), KO_STEP(secret_make),
                                        KO_STEP(secret_made), KO_STEPS_END};

/* ---- DELETE ---- */

static int revoke_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    secret_job *job = arg;
    ko_meta_account account;

    if (job->account.len > 0 && find_account(tx, job, &account, err) < 0)
        return -1;
    return ko_meta_secret_revoke(tx, job->account_id, job->id, err);
}

static int revoke_run(ko_job *base, ko_err *err)
{
    return ko_meta_write(base->app->meta, KO_META_DURABLE, revoke_tx, base, err);
}

static ko_step_ret secret_revoke(ko_req *req)
{
    secret_job *job = secret_job_new(req, revoke_run);
    uint64_t id = 0;

    if (ko_parse_u64(req->route.ref, INT64_MAX, &id, NULL) < 0) {
        ko_job_drop(&job->answer.job);
        return ko_req_problem(req, 404, KO_P_NAME_UNKNOWN, "a token is named by its number", NULL,
                              NULL);
    }
    job->id = (int64_t)id;
    if (take_account(req, job) == KO_DONE)
        return KO_DONE;
    return ko_req_work(req, &job->answer.job);
}

static ko_step_ret secret_revoked(ko_req *req)
{
    audit_secret(req, "token.revoke");
    return ko_req_reply_empty(req, 204);
}

const ko_step ko_secret_delete_steps[] = {KO_STEP(secret_revoke), KO_STEP(secret_revoked),
                                          KO_STEPS_END};
