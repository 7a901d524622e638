"""The service: HTTP contracts, admission, metrics and a page around `bshm.pipeline`.

A request's way, a module a step:

    edge           its log line and its count, whatever becomes of it
    app            what answers, and errors in its contract's words
    endpoints, pages   what there is, as FastAPI declares and describes it
    keys, rates    who asks, and how often
    admission      a place in the house, or a refusal at once
    body           the fields, within limits of bytes, parts and time
    removebg, rembg   a contract's fields -> an `Order`, and what was made -> its answer
    urls, fetch    pictures behind addresses, if any may be fetched
    crew           one worker process for each core; the order waits for a free one
    making         what a worker does: bytes -> pixels -> `pipeline.finish` -> bytes

Needs Python 3.10 and ``pip install 'bshm[serve]'``.
"""
