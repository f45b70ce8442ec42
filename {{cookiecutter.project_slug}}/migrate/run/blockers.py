"""Which sessions block another session, as far as its role may see."""

from collections.abc import Iterator

from sqlalchemy import Connection, Row, text

# Of a session that the role may not look into, the server shows the role, the application's name and
# the locks; state, kind and query are hidden. Autovacuum has no role.
SESSIONS = text("""
    SELECT b.pid, usename AS role, coalesce(nullif(application_name, ''), 'no name') AS name,
        coalesce(state, backend_type) AS doing, regexp_replace(query, '\\s+', ' ', 'g') AS query,
        extract(epoch FROM clock_timestamp() - coalesce(xact_start, backend_start))::integer AS seconds,
        backend_type = 'autovacuum worker' OR usesysid IS NULL AND vacuumed.tables <> '' AS autovacuum,
        vacuumed.tables, vacuumed.old OR query LIKE '%(to prevent wraparound)' AS wraparound
    FROM unnest(pg_blocking_pids(:pid)) AS b (pid) JOIN pg_stat_activity AS a ON a.pid = b.pid,
        LATERAL (
            SELECT string_agg(DISTINCT relation::regclass::text, ', ') AS tables,
                bool_or(age(relfrozenxid) > current_setting('autovacuum_freeze_max_age')::integer) AS old
            FROM pg_locks AS l JOIN pg_class AS c ON c.oid = relation
            WHERE l.pid = b.pid AND mode = 'ShareUpdateExclusiveLock' AND granted AND relkind IN ('r', 'm')
        ) AS vacuumed
    ORDER BY b.pid
""")
# A prepared transaction has no session: pg_blocking_pids shows each of them as 0. Its locks have no pid.
# They have the same virtual transaction as the lock on its transaction id.
PREPARED = text("""
    SELECT DISTINCT gid, owner, extract(epoch FROM clock_timestamp() - prepared)::integer AS seconds
    FROM pg_prepared_xacts JOIN pg_locks AS own ON own.transactionid = transaction AND own.pid IS NULL
        JOIN pg_locks AS held ON held.virtualtransaction = own.virtualtransaction AND held.pid IS NULL
        JOIN pg_locks AS wanted ON
            (held.locktype, held.database, held.relation, held.transactionid, held.objid)
            IS NOT DISTINCT FROM
            (wanted.locktype, wanted.database, wanted.relation, wanted.transactionid, wanted.objid)
    WHERE 0 = ANY (pg_blocking_pids(:pid)) AND wanted.pid = :pid AND NOT wanted.granted
    ORDER BY gid
""")


def blockers(connection: Connection, pid: int, *, show_queries: bool) -> Iterator[str]:
    """Yield each blocker of a session, in a few words.

    Args:
        connection: another session of the same database.
        pid: the blocked session.
        show_queries: show the queries of blocking sessions, which may hold data.
    """
    for session in connection.execute(SESSIONS, {"pid": pid}):
        yield f"pid {session.pid} ({_words(session, show_queries)})"
    for gid, owner, seconds in connection.execute(PREPARED, {"pid": pid}):
        yield f"prepared transaction {gid!r} (of {owner}, for {seconds} s)"


def _words(session: Row[tuple[object, ...]], show_queries: bool) -> str:
    since = "" if session.seconds is None else f" for {session.seconds} s"
    if session.autovacuum:
        stays = ", to prevent wraparound: it does not give way, let it finish" if session.wraparound else ""
        return f"autovacuum of {session.tables or 'a table'}{since}{stays}"
    if session.doing is None:
        return f"{session.name}, of the role {session.role}, whose sessions this one may not look into"
    return f"{session.doing}{since}, {session.name}" + (f": {session.query}" if show_queries else "")
