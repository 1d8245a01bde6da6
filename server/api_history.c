/* server/api_history.c: what a tag pointed to, when, and who moved it: newest first.
 *
 * Documented in docs/api.md. */
#include "common/oci/ref.h"
#include "server/answer.h"
#include "storage/meta_tag.h"

typedef struct {
    ko_answer answer;
    ko_str repo;
    ko_str tag; /* empty: every tag */
} history_job;

static void print_change(const ko_meta_tag_change *change, ko_buf *out)
{
    ko_print_begin(out, NULL, '{');
    ko_print_u64(out, "id", (uint64_t)change->id);
    ko_print_text(out, "tag", ko_str_of(change->name));
    ko_print_optional(out, "old_digest", ko_str_of(change->old_digest));
    ko_print_optional(out, "new_digest", ko_str_of(change->new_digest));
    ko_print_optional(out, "account", ko_str_of(change->account));
    ko_print_time(out, "at", change->at_s);
    ko_print_end(out, '}');
}

static int history_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    history_job *job = arg;
    ko_answer *answer = &job->answer;
    ko_meta_tag_change *changes;
    ko_meta_repo repo;
    size_t count;

    if (ko_meta_repo_find(tx, job->repo, &repo, err) < 0 ||
        ko_meta_tag_list_history(tx, repo.id, job->tag, answer->last_id, ko_answer_want(answer),
                                 answer->job.arena, &changes, &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        ko_answer_next_id(answer, changes[count - 1].id);
    ko_buf_reset(&answer->body);
    ko_print_begin(&answer->body, NULL, '{');
    ko_print_text(&answer->body, "name", job->repo);
    ko_print_begin(&answer->body, "history", '[');
    for (size_t i = 0; i < count; i++)
        print_change(&changes[i], &answer->body);
    ko_print_end(&answer->body, ']');
    ko_print_end(&answer->body, '}');
    return ko_buf_ok(&answer->body, err);
}

static int history_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, history_tx, base, err);
}

static ko_step_ret history_find(ko_req *req)
{
    ko_str tag = KO_STR("");
    history_job *job;
    ko_err err;

    if (ko_params_get(&req->query, "tag", &tag) && ko_ref_check_tag(tag, &err) < 0)
        return ko_req_problem(req, 400, KO_P_TAG_INVALID, err.text, NULL, NULL);
    job = ko_answer_new(req, history_job, history_run, NULL);
    if (ko_answer_page_by_id(req, &job->answer) == KO_DONE)
        return KO_DONE;
    job->repo = ko_arena_str(job->answer.job.arena, req->route.repo);
    job->tag = ko_arena_str(job->answer.job.arena, tag);
    if (tag.len > 0) /* the tag rule leaves nothing to escape */
        job->answer.query =
            ko_arena_printf(job->answer.job.arena, "&tag=" KO_STR_FMT, KO_STR_ARG(tag));
    return ko_req_work(req, &job->answer.job);
}

const ko_step ko_history_get_steps[] = {KO_STEP(history_find), KO_STEP(ko_answer_send),
                                        KO_STEPS_END};
