/* server/api_repo.c: repositories as things of their own: the caller's list with what there is to
 * know, visibility and description, and the deletion of one, which has two paths.
 *
 * Documented in docs/api.md. */
#include "common/base/clock.h"
#include "server/answer.h"
#include "server/audit.h"
#include "server/authn.h"
#include "server/json_repo.h"
#include "server/repo.h"
#include "storage/meta_repo.h"

typedef struct {
    ko_answer answer;
    ko_str name; /* of a list: the prefix */
    const ko_settings *settings;
    ko_json_repo_change doc;
} repo_job;

static repo_job *repo_job_new(ko_req *req, int (*run)(ko_job *base, ko_err *err))
{
    repo_job *job = ko_answer_new(req, repo_job, run, NULL);

    job->name = ko_arena_str(job->answer.job.arena, req->route.repo);
    job->settings = req->settings;
    return job;
}

static int print_repo(ko_meta_tx *tx, const ko_meta_repo *repo, ko_answer *answer, ko_err *err)
{
    ko_buf *out = &answer->body;
    ko_str description;

    if (ko_meta_repo_description(tx, repo->id, answer->job.arena, &description, err) < 0)
        return -1;
    ko_print_begin(out, NULL, '{');
    ko_print_text(out, "name", ko_str_of(repo->name));
    ko_print_text(out, "visibility", ko_str_of(ko_meta_visibility_name(repo->visibility)));
    ko_print_text(out, "description", description);
    ko_print_u64(out, "bytes", repo->bytes);
    ko_print_u64(out, "pulls", repo->pull_count);
    ko_print_time(out, "created_at", repo->created_at_s);
    ko_print_time(out, "pushed_at", repo->pushed_at_s);
    ko_print_end(out, '}');
    return 0;
}

/* ---- GET of all ---- */

static int list_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    repo_job *job = arg;
    ko_answer *answer = &job->answer;
    ko_meta_caller caller = {answer->job.identity->account_id, answer->job.identity->admin};
    ko_meta_repo *repos;
    size_t count;

    if (ko_meta_repo_list(tx, caller, job->name, answer->last, ko_answer_want(answer),
                          answer->job.arena, &repos, &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        answer->next = ko_str_of(repos[count - 1].name);
    ko_buf_reset(&answer->body);
    ko_print_begin(&answer->body, NULL, '{');
    ko_print_begin(&answer->body, "repositories", '[');
    for (size_t i = 0; i < count; i++)
        if (print_repo(tx, &repos[i], answer, err) < 0)
            return -1;
    ko_print_end(&answer->body, ']');
    ko_print_end(&answer->body, '}');
    return ko_buf_ok(&answer->body, err);
}

static int list_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, list_tx, base, err);
}

/* The link to the next page keeps the prefix. */
static const char *prefix_query(ko_arena *arena, ko_str prefix)
{
    ko_autobuf text = {0};

    if (prefix.len == 0)
        return NULL;
    ko_buf_init(&text, 4 * KO_KIB);
    (void)ko_buf_put_text(&text, "&prefix=");
    (void)ko_url_encode(prefix, "/", &text);
    return ko_arena_strndup(arena, text.data, text.len);
}

static ko_step_ret repos_find(ko_req *req)
{
    ko_str prefix = KO_STR("");
    repo_job *job;

    if (ko_authn_may_list(req) == KO_DONE)
        return KO_DONE;
    (void)ko_params_get(&req->query, "prefix", &prefix);
    if (prefix.len > KO_MAX_REPO_NAME)
        return ko_req_problem(req, 400, KO_P_NAME_INVALID, "the prefix is too long", NULL, NULL);
    job = repo_job_new(req, list_run);
    if (ko_answer_page(req, &job->answer) == KO_DONE)
        return KO_DONE;
    job->name = ko_arena_str(job->answer.job.arena, prefix);
    job->answer.query = prefix_query(job->answer.job.arena, prefix);
    return ko_req_work(req, &job->answer.job);
}

const ko_step ko_repo_list_steps[] = {KO_STEP(repos_find), KO_STEP(ko_answer_send), KO_STEPS_END};

/* ---- GET of one ---- */

static int view_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    repo_job *job = arg;
    ko_meta_repo repo;

    ko_buf_reset(&job->answer.body);
    if (ko_meta_repo_find(tx, job->name, &repo, err) < 0 ||
        print_repo(tx, &repo, &job->answer, err) < 0)
        return -1;
    return ko_buf_ok(&job->answer.body, err);
}

static int view_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, view_tx, base, err);
}

static ko_step_ret repo_find(ko_req *req)
{
    return ko_req_work(req, &repo_job_new(req, view_run)->answer.job);
}

const ko_step ko_repo_get_steps[] = {KO_STEP(repo_find), KO_STEP(ko_answer_send), KO_STEPS_END};

/* ---- PATCH ---- */

static int change_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const repo_job *job = arg;
    const ko_json_repo_change *doc = &job->doc;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, job->name, &repo, err) < 0)
        return -1;
    if (doc->visibility.set &&
        ko_repo_set_visibility(tx, &repo, doc->visibility.value, job->settings, err) < 0)
        return -1;
    if (!doc->description.set)
        return 0;
    return ko_meta_repo_set_description(tx, &repo, doc->description.value, err);
}

static int change_run(ko_job *base, ko_err *err)
{
    if (ko_meta_write(base->app->meta, KO_META_DURABLE, change_tx, base, err) < 0)
        return -1;
    return ko_meta_read(base->app->meta, view_tx, base, err);
}

static ko_step_ret repo_change(ko_req *req)
{
    repo_job *job = repo_job_new(req, change_run);
    ko_err err;

    if (ko_json_repo_change_read(ko_answer_document(req), job->answer.job.arena, &job->doc, &err) <
        0) {
        ko_job_drop(&job->answer.job);
        return ko_req_fail(req, &err);
    }
    return ko_req_work(req, &job->answer.job);
}

static ko_step_ret repo_changed(ko_req *req)
{
    const repo_job *job = ko_req_job(req, repo_job);
    ko_autobuf text = {0};

    ko_buf_init(&text, KO_MAX_AUDIT_FIELD);
    (void)ko_json_repo_change_print(&job->doc, &text);
    if (job->doc.visibility.set)
        (void)ko_buf_printf(&text, " (%s)", ko_meta_visibility_name(job->doc.visibility.value));
    ko_audit(req, "repository.change", ko_buf_str(&text).ptr);
    return ko_answer_send(req);
}

const ko_step ko_repo_patch_steps[] = {KO_STEP(ko_answer_read), KO_STEP(repo_change),
                                       KO_STEP(repo_changed), KO_STEPS_END};

/* ---- DELETE: /v2/<name> and /v2/_kontor/repositories/<name> ---- */

typedef struct {
    ko_job job;
    ko_str repo;
} delete_job;

static int delete_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    delete_job *job = arg;
    ko_meta_repo repo;

    if (ko_meta_repo_find(tx, job->repo, &repo, err) < 0)
        return -1;
    return ko_meta_repo_remove(tx, &repo, ko_clock_wall_s(), err);
}

static int delete_run(ko_job *base, ko_err *err)
{
    return ko_meta_write(base->app->meta, KO_META_DURABLE, delete_tx, base, err);
}

static ko_step_ret repo_delete(ko_req *req)
{
    delete_job *job = ko_job_new(req, delete_job, delete_run, NULL);

    job->repo = ko_arena_str(job->job.arena, req->route.repo);
    return ko_req_work(req, &job->job);
}

static ko_step_ret repo_deleted(ko_req *req)
{
    ko_audit(req, "repository.delete", NULL);
    return ko_req_reply_empty(req, 202);
}

const ko_step ko_repo_delete_steps[] = {KO_STEP(repo_delete), KO_STEP(repo_deleted), KO_STEPS_END};
const ko_step ko_repo_remove_steps[] = {KO_STEP(repo_delete), KO_STEP(repo_deleted), KO_STEPS_END};
