/* server/api_audit.c: the audit log, for administrators: newest first.
 *
 * Documented in docs/api.md. */
#include "server/answer.h"
#include "storage/meta_audit.h"

static void print_row(const ko_meta_audit *row, ko_buf *out)
{
    ko_print_begin(out, NULL, '{');
    ko_print_u64(out, "id", (uint64_t)row->id);
    ko_print_time(out, "at", row->at_s);
    ko_print_optional(out, "account", row->account);
    ko_print_text(out, "action", row->action);
    ko_print_text(out, "target", row->target);
    ko_print_text(out, "address", row->address);
    ko_print_text(out, "outcome", row->outcome);
    ko_print_end(out, '}');
}

static int audit_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    ko_answer *answer = arg;
    ko_meta_audit *rows;
    size_t count;

    if (ko_meta_audit_list(tx, answer->last_id, ko_answer_want(answer), answer->job.arena, &rows,
                           &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        ko_answer_next_id(answer, rows[count - 1].id);
    ko_buf_reset(&answer->body);
    ko_print_begin(&answer->body, NULL, '{');
    ko_print_begin(&answer->body, "audit", '[');
    for (size_t i = 0; i < count; i++)
        print_row(&rows[i], &answer->body);
    ko_print_end(&answer->body, ']');
    ko_print_end(&answer->body, '}');
    return ko_buf_ok(&answer->body, err);
}

static int audit_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, audit_tx, base, err);
}

static ko_step_ret audit_find(ko_req *req)
{
    ko_answer *answer = ko_answer_new_size(req, sizeof(ko_answer), audit_run, NULL);

    if (ko_answer_page_by_id(req, answer) == KO_DONE)
        return KO_DONE;
    return ko_req_work(req, &answer->job);
}

const ko_step ko_audit_list_steps[] = {KO_STEP(audit_find), KO_STEP(ko_answer_send), KO_STEPS_END};
