/* server/names.c: see names.h. */
#include "server/names.h"

#include "common/base/clock.h"

#define KEEP_MAX (64 * KO_KIB) /* a larger page is not remembered */

typedef struct {
    ko_cache_entry entry;
    size_t limit;
    bool more;
    char last[KO_MAX_REPO_NAME + 1]; /* where the next page starts */
    size_t len;
    char body[];
} names_page;

static void page_drop(ko_cache_entry *entry)
{
    free(KO_CONTAINER(entry, names_page, entry));
}

static void page_gone(ko_req *req)
{
    names_page *page = req->state;

    if (page)
        ko_cache_entry_unref(&page->entry);
}

/* ---- On the pool ---- */

typedef struct {
    ko_job job;
    const ko_names_kind *kind;
    ko_names_query query;
    ko_str key;
    names_page *page;
} names_job;

static int load_tx(ko_meta_tx *tx, void *arg, ko_err *err)
{
    names_job *job = arg;

    return job->kind->load(tx, &job->query, err);
}

/* Neither tags nor repository names have anything to escape: their rules see to that. */
static int print_page(const names_job *job, size_t count, ko_buf *out, ko_err *err)
{
    (void)ko_buf_put_char(out, '{');
    if (job->query.subject.len > 0)
        (void)ko_buf_printf(out, "\"name\":\"" KO_STR_FMT "\",", KO_STR_ARG(job->query.subject));
    (void)ko_buf_printf(out, "\"%s\":[", job->kind->member);
    for (size_t i = 0; i < count; i++) {
        (void)ko_buf_put_text(out, i > 0 ? ",\"" : "\"");
        (void)ko_buf_put_str(out, job->query.names[i]);
        (void)ko_buf_put_char(out, '"');
    }
    (void)ko_buf_put_text(out, "]}\n");
    return ko_buf_ok(out, err);
}

static names_page *make_page(const names_job *job, size_t limit, ko_str body)
{
    names_page *page = ko_xcalloc(1, sizeof(*page) + body.len);

    ko_cache_entry_init(&page->entry, page_drop);
    page->limit = limit;
    page->more = limit > 0 && job->query.count > limit;
    if (page->more) {
        ko_str last = job->query.names[limit - 1];

        KO_ASSERT(last.len < sizeof(page->last));
        memcpy(page->last, last.ptr, last.len);
    }
    page->len = body.len;
    memcpy(page->body, body.ptr, body.len);
    return page;
}

static int names_run(ko_job *base, ko_err *err)
{
    names_job *job = (names_job *)base;
    uint64_t generation = job->kind->generation(base->app->meta, job->query.subject);
    size_t limit = job->query.limit;
    ko_autobuf body = {0};

    job->query.limit++; /* one more than asked tells whether there is a next page */
    if (ko_meta_read(base->app->meta, load_tx, job, err) < 0)
        return -1;
    ko_buf_init(&body, 32 * KO_MIB);
    if (print_page(job, job->query.count < limit ? job->query.count : limit, &body, err) < 0)
        return -1;
    job->page = make_page(job, limit, ko_buf_str(&body));
    /* The key holds text of the client, so it counts too. */
    if (body.len <= KEEP_MAX)
        ko_cache_put(base->app->content, job->key, generation, UINT64_MAX,
                     sizeof(*job->page) + body.len + job->key.len, &job->page->entry);
    return 0;
}

static void names_drop(ko_job *base)
{
    names_page *page = ((names_job *)base)->page;

    if (page)
        ko_cache_entry_unref(&page->entry);
}

/* ---- On the loop ---- */

static ko_str page_key(ko_arena *arena, const ko_names_kind *kind, const ko_req *req,
                       const ko_page *page)
{
    int64_t caller = kind->per_caller ? req->identity->account_id : 0;
    bool admin = kind->per_caller && req->identity->admin;

    /* The last part is the client's own text and comes last, so it cannot pass for another part. */
    return ko_str_of(ko_arena_printf(arena, "%c%lld.%d %zu " KO_STR_FMT " " KO_STR_FMT, kind->id,
                                     (long long)caller, admin, page->limit,
                                     KO_STR_ARG(req->route.repo), KO_STR_ARG(page->last)));
}

static names_page *find_cached(const ko_req *req, const ko_names_kind *kind, ko_str key)
{
    ko_cache_entry *entry =
        ko_cache_get(req->app->content, key, kind->generation(req->app->meta, req->route.repo),
                     ko_clock_mono_ms());

    return entry ? KO_CONTAINER(entry, names_page, entry) : NULL;
}

ko_step_ret ko_names_find(ko_req *req, const ko_names_kind *kind)
{
    names_job *job;
    ko_page page;
    ko_str key;

    if (ko_page_parse(req, kind->max, &page) < 0)
        return ko_page_refuse(req);
    key = page_key(req->arena, kind, req, &page);
    req->state = find_cached(req, kind, key);
    ko_req_on_gone(req, page_gone);
    if (req->state)
        return KO_NEXT;
    job = ko_job_new(req, names_job, names_run, names_drop);
    job->kind = kind;
    job->key = ko_arena_str(job->job.arena, key);
    job->query = (ko_names_query){.subject = ko_arena_str(job->job.arena, req->route.repo),
                                  .caller = {req->identity->account_id, req->identity->admin},
                                  .last = ko_arena_str(job->job.arena, page.last),
                                  .limit = page.limit,
                                  .arena = job->job.arena};
    return ko_req_work(req, &job->job);
}

ko_step_ret ko_names_reply(ko_req *req)
{
    const names_page *page;
    ko_headers headers;

    if (!req->state)
        req->state = ko_steal(&ko_req_job(req, names_job)->page);
    page = req->state;
    ko_req_headers(req, &headers);
    ko_headers_add(&headers, "Content-Type", KO_STR("application/json"));
    if (page->more) {
        ko_page link = {.limit = page->limit};

        ko_page_link(req, &headers, &link, ko_str_of(page->last), "");
    }
    return ko_req_reply(req, 200, &headers, (ko_str){page->body, page->len});
}
