"""IP addresses as addresses, and the index that knows their networks."""

import pytest
from sqlalchemy.exc import DBAPIError

from tests.support import Make

BLOCKED = "SELECT host(ip_address) FROM audit_logs JOIN blocked_networks ON ip_address <<= network ORDER BY 1"


def test_old_entries_have_none_and_new_ones_may_have_either_kind(before: Make) -> None:
    database = before("add_audit_log_ip_address")
    database.upgrade("add_audit_log_ip_address")
    assert database.column("SELECT DISTINCT ip_address FROM audit_logs") == [None]
    for address in ("10.0.0.10", "10.0.0.9", "2001:db8::1"):
        database.insert("audit_logs", ip_address=address)
    addresses = "SELECT host(ip_address) FROM audit_logs WHERE ip_address IS NOT NULL ORDER BY ip_address"
    assert database.column(addresses) == ["10.0.0.9", "10.0.0.10", "2001:db8::1"]


@pytest.mark.parametrize("no_address", ["unknown", "", "10.0.0.256", "10.0.0.1, 10.0.0.2"])
def test_what_is_no_address_is_refused(after: Make, no_address: str) -> None:
    with pytest.raises(DBAPIError, match="invalid input syntax"):
        after("add_audit_log_ip_address").insert("audit_logs", ip_address=no_address)


def test_the_index_finds_the_addresses_in_the_networks_of_another_table(before: Make) -> None:
    database = before("index_audit_logs_ip_address")
    database.insert_many("audit_logs", 20000, ip_address="'10.0.0.0'::inet + n")
    database.execute("CREATE TABLE blocked_networks (network inet)")
    database.execute("INSERT INTO blocked_networks VALUES ('10.0.77.8/30'), ('2001:db8::/32')")
    database.execute("CREATE INDEX naive ON audit_logs (ip_address)")
    database.execute("ANALYZE")
    # A B-tree is of use where the network stands in the query, and only there.
    constant = "SELECT action FROM audit_logs WHERE ip_address <<= '10.0.77.8/30'"
    assert "naive" in database.plan(constant)
    assert "naive" not in database.plan(BLOCKED)
    found = database.column(BLOCKED)
    database.upgrade("index_audit_logs_ip_address")
    assert "idx_audit_logs_ip_address" in database.plan(BLOCKED)
    assert database.column(BLOCKED) == found
    assert set(found) >= {"10.0.77.8", "10.0.77.9", "10.0.77.10", "10.0.77.11"}
    database.execute("DROP INDEX naive")
    assert "idx_audit_logs_ip_address" in database.plan(constant)
    # To it an address is no text.
    text = "SELECT action FROM audit_logs WHERE host(ip_address) LIKE '10.0.77.%'"
    assert "idx_audit_logs_ip_address" not in database.plan(text)
