/* server/api_group.c: groups and their members. Groups are made by administrators and changed by
 * administrators and by their owners; members see them.
 *
 * Documented in docs/api.md. */
#include "auth/group.h"
#include "common/base/clock.h"
#include "server/answer.h"
#include "server/audit.h"
#include "server/json_account.h"
#include "server/owner.h"

typedef struct {
    ko_answer answer;
    ko_str name;
    const ko_settings *settings;
    bool by_admin;
    ko_json_group doc;
} group_job;

static group_job *group_job_new(ko_req *req, int (*run)(ko_job *base, ko_err *err))
{
    group_job *job = ko_answer_new(req, group_job, run, NULL);

    job->name = ko_arena_str(job->answer.job.arena, req->route.ref);
    job->settings = req->settings;
    job->by_admin = ko_answer_by_admin(req);
    job->answer.page.limit = KO_MAX_PAGE;
    job->answer.last = KO_STR("");
    return job;
}

/* ---- Who may ---- */

/* A group that the caller is no part of looks the same as one that does not exist. */
static int enter_group(ko_meta_tx *tx, const group_job *job, ko_meta_role least, ko_meta_group *out,
                       ko_err *err)
{
    const ko_identity *id = job->answer.job.identity;
    ko_meta_role role = KO_META_ROLE_NONE;
    ko_err why = KO_ERR_INIT;

    if (ko_meta_group_find(tx, job->name, job->answer.job.arena, out, &why) < 0) {
        if (why.code == KO_E_NOT_FOUND && !job->by_admin)
            return ko_err_set(err, KO_E_DENIED, "you have no part in this group");
        *err = why;
        return -1;
    }
    if (job->by_admin)
        return 0;
    if (ko_meta_group_role(tx, out->owner.id, id->account_id, &role, err) < 0)
        return -1;
    if (role == KO_META_ROLE_NONE)
        return ko_err_set(err, KO_E_DENIED, "you have no part in this group");
    if (role < least || (least == KO_META_ROLE_OWNER && id->kind == KO_ID_ROBOT))
        return ko_err_set(err, KO_E_DENIED, "a group is changed by its owners");
    return 0;
}

/* ---- GET of one, with a page of its members ---- */

static int print_members(ko_meta_tx *tx, group_job *job, int64_t id, ko_err *err)
{
    ko_answer *answer = &job->answer;
    ko_meta_member *members;
    size_t count;

    if (ko_meta_group_list_members(tx, id, answer->last, ko_answer_want(answer), answer->job.arena,
                                   &members, &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        answer->next = ko_str_of(members[count - 1].name);
    ko_print_begin(&answer->body, "members", '{');
    for (size_t i = 0; i < count; i++)
        ko_print_text(&answer->body, members[i].name,
                      ko_str_of(ko_meta_role_name(members[i].role)));
    ko_print_end(&answer->body, '}');
    return 0;
}

static void print_names(const ko_meta_group *group, ko_buf *out)
{
    ko_print_text(out, "name", ko_str_of(group->owner.name));
    ko_print_text(out, "display", ko_str_of(group->display));
}

static int view_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    group_job *job = arg;
    ko_buf *out = &job->answer.body;
    ko_meta_group group;

    if (enter_group(tx, job, KO_META_ROLE_MEMBER, &group, err) < 0)
        return -1;
    ko_buf_reset(out);
    ko_print_begin(out, NULL, '{');
    print_names(&group, out);
    if (ko_owner_print(tx, &group.owner, job->settings, out, err) < 0 ||
        print_members(tx, job, group.owner.id, err) < 0)
        return -1;
    ko_print_end(out, '}');
    return ko_buf_ok(out, err);
}

static int view_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, view_tx, base, err);
}

static ko_step_ret group_find(ko_req *req)
{
    group_job *job = group_job_new(req, view_run);

    if (ko_answer_page(req, &job->answer) == KO_DONE)
        return KO_DONE;
    return ko_req_work(req, &job->answer.job);
}

const ko_step ko_group_get_steps[] = {KO_STEP(group_find), KO_STEP(ko_answer_send), KO_STEPS_END};

/* ---- GET of all: an administrator's, or the caller's own ---- */

static int list_all(ko_meta_tx *tx, ko_answer *answer, ko_err *err)
{
    ko_meta_group *groups;
    size_t count;

    if (ko_meta_group_list(tx, answer->last, ko_answer_want(answer), answer->job.arena, &groups,
                           &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        answer->next = ko_str_of(groups[count - 1].owner.name);
    for (size_t i = 0; i < count; i++) {
        ko_print_begin(&answer->body, NULL, '{');
        print_names(&groups[i], &answer->body);
        ko_print_time(&answer->body, "created_at", groups[i].owner.created_at_s);
        ko_print_end(&answer->body, '}');
    }
    return 0;
}

static int list_own(ko_meta_tx *tx, ko_answer *answer, ko_err *err)
{
    ko_meta_membership *groups;
    size_t count;

    if (ko_meta_group_list_of(tx, answer->job.identity->account_id, answer->last,
                              ko_answer_want(answer), answer->job.arena, &groups, &count, err) < 0)
        return -1;
    if (ko_answer_cut(answer, &count))
        answer->next = ko_str_of(groups[count - 1].name);
    for (size_t i = 0; i < count; i++) {
        ko_print_begin(&answer->body, NULL, '{');
        ko_print_text(&answer->body, "name", ko_str_of(groups[i].name));
        ko_print_text(&answer->body, "role", ko_str_of(ko_meta_role_name(groups[i].role)));
        ko_print_end(&answer->body, '}');
    }
    return 0;
}

static int list_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    group_job *job = arg;
    ko_answer *answer = &job->answer;

    ko_buf_reset(&answer->body);
    ko_print_begin(&answer->body, NULL, '{');
    ko_print_begin(&answer->body, "groups", '[');
    if ((job->by_admin ? list_all(tx, answer, err) : list_own(tx, answer, err)) < 0)
        return -1;
    ko_print_end(&answer->body, ']');
    ko_print_end(&answer->body, '}');
    return ko_buf_ok(&answer->body, err);
}

static int list_run(ko_job *base, ko_err *err)
{
    return ko_meta_read(base->app->meta, list_tx, base, err);
}

static ko_step_ret groups_find(ko_req *req)
{
    group_job *job = group_job_new(req, list_run);

    if (ko_answer_page(req, &job->answer) == KO_DONE)
        return KO_DONE;
    return ko_req_work(req, &job->answer.job);
}

const ko_step ko_group_list_steps[] = {KO_STEP(groups_find), KO_STEP(ko_answer_send), KO_STEPS_END};

/* ---- POST and PATCH ---- */

static int apply(ko_meta_tx *tx, const ko_json_group *doc, const ko_meta_owner *owner, ko_err *err)
{
    for (size_t i = 0; i < doc->members.count; i++)
        if (ko_group_set_member(tx, owner->id, doc->members.items[i].name,
                                doc->members.items[i].role, err) < 0)
            return ko_err_ctx(err, "members");
    return ko_owner_change(tx, owner, &doc->default_visibility, &doc->quota_private_repositories,
                           &doc->quota_bytes, err);
}

static int make_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    const ko_json_group *doc = &job->doc;
    ko_meta_owner owner;
    int64_t id;

    if (ko_group_create(tx, doc->name.value, doc->display.set ? doc->display.value : KO_STR(""),
                        job->settings->default_visibility, &id, err) < 0 ||
        ko_meta_owner_load(tx, id, &owner, err) < 0)
        return -1;
    return apply(tx, doc, &owner, err);
}

static int make_run(ko_job *base, ko_err *err)
{
    group_job *job = (group_job *)base;

    job->name = job->doc.name.value;
    job->answer.status = 201;
    job->answer.location =
        ko_arena_printf(base->arena, "/v2/_kontor/groups/" KO_STR_FMT, KO_STR_ARG(job->name));
    if (ko_meta_write(base->app->meta, KO_META_DURABLE, make_tx, job, err) < 0)
        return -1;
    return ko_meta_read(base->app->meta, view_tx, job, err);
}

static int change_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    ko_meta_group group;

    if (enter_group(tx, job, KO_META_ROLE_OWNER, &group, err) < 0)
        return -1;
    return apply(tx, &job->doc, &group.owner, err);
}

static int change_run(ko_job *base, ko_err *err)
{
    group_job *job = (group_job *)base;

    if (ko_meta_write(base->app->meta, KO_META_DURABLE, change_tx, job, err) < 0)
        return -1;
    if (ko_meta_read(base->app->meta, view_tx, job, err) == 0)
        return 0;
    if (err->code != KO_E_DENIED)
        return -1;
    /* An owner who has taken himself out sees no more. */
    ko_buf_reset(&job->answer.body);
    job->answer.status = 204;
    return 0;
}

static ko_step_ret group_make(ko_req *req)
{
    group_job *job = group_job_new(req, make_run);
    ko_err err;

    if (ko_json_group_new_read(ko_answer_document(req), job->answer.job.arena, &job->doc, &err) <
        0) {
        ko_job_drop(&job->answer.job);
        return ko_req_fail(req, &err);
    }
    return ko_req_work(req, &job->answer.job);
}

static ko_step_ret group_change(ko_req *req)
{
    group_job *job = group_job_new(req, change_run);
    ko_err err;

    if (ko_json_group_change_read(ko_answer_document(req), job->answer.job.arena, &job->doc, &err) <
        0) {
        ko_job_drop(&job->answer.job);
        return ko_req_fail(req, &err);
    }
    if (!job->by_admin && (job->doc.quota_private_repositories.set || job->doc.quota_bytes.set)) {
        ko_job_drop(&job->answer.job);
        return ko_answer_deny(req, "only an administrator changes quotas");
    }
    return ko_req_work(req, &job->answer.job);
}

static void audit_group(ko_req *req, const char *action)
{
    const group_job *job = ko_req_job(req, group_job);
    ko_autobuf text = {0};

    ko_buf_init(&text, KO_MAX_AUDIT_FIELD);
    (void)ko_buf_printf(&text, KO_STR_FMT ": ", KO_STR_ARG(job->name));
    (void)ko_json_group_change_print(&job->doc, &text);
    ko_audit_target(req, action, ko_buf_str(&text).ptr, "ok");
}

static ko_step_ret group_made(ko_req *req)
{
    audit_group(req, "group.add");
    return ko_answer_send(req);
}

static ko_step_ret group_changed(ko_req *req)
{
    audit_group(req, "group.change");
    return ko_answer_send(req);
}

const ko_step ko_group_post_steps[] = {KO_STEP(ko_answer_read), KO_STEP(group_make),
                                       KO_STEP(group_made), KO_STEPS_END};
const ko_step ko_group_patch_steps[] = {KO_STEP(ko_answer_read), KO_STEP(group_change),
                                        KO_STEP(group_changed), KO_STEPS_END};

/* ---- DELETE ---- */

static int remove_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    const group_job *job = arg;
    ko_meta_group group;

    if (enter_group(tx, job, KO_META_ROLE_OWNER, &group, err) < 0)
        return -1;
    return ko_meta_group_remove(tx, group.owner.id, false, ko_clock_wall_s(), err);
}

static int remove_run(ko_job *base, ko_err *err)
{
    return ko_meta_write(base->app->meta, KO_META_DURABLE, remove_tx, base, err);
}

static ko_step_ret group_remove(ko_req *req)
{
    return ko_req_work(req, &group_job_new(req, remove_run)->answer.job);
}

static ko_step_ret group_removed(ko_req *req)
{
    const group_job *job = ko_req_job(req, group_job);

    ko_audit_target(req, "group.remove", ko_arena_strndup(req->arena, job->name.ptr, job->name.len),
                    "ok");
    return ko_req_reply_empty(req, 204);
}

const ko_step ko_group_delete_steps[] = {KO_STEP(group_remove), KO_STEP(group_removed),
                                         KO_STEPS_END};
