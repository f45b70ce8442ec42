"""Models that hypothesis draws, and changes to them.

What is drawn is plain data, which shrinks well; `build` makes models of it. Names and texts are
such as break things: keywords, capitals, quotes, `%`, `:word`, backslashes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    CHAR,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    Enum,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import UserDefinedType

from database import NAMING_CONVENTION

TABLES = ["order", "My Lines", "100% of it", "a:b", "plain"]
COLUMNS = ["a", "b", "Group", "c %", "x:y", 'q"q', "d"]
KEYS = ["identity", "always", "counted", "serial", "bigserial", "sequence", "none", "pair"]
SCHEMAS = [None, None, None, "billing", "My Schema"]
TEXTS = ["it's", "100%", ":name", r"C:\users", '"', "%(a)s", "a\nb", "''", "é", "{}"]


class Point(UserDefinedType[str]):
    """A type that SQLAlchemy does not know, and that has no `=`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "point"


class Shout(TypeDecorator[str]):
    """A type of the application."""

    impl = String(20)
    cache_ok = True


@dataclass(frozen=True)
class Kind:
    """A type of columns.

    Attributes:
        make: what makes the type.
        defaults: what may be its default; a text that begins with "=" is SQL.
        checks: what a CHECK on it may say of the column, `{}`.
        ordered: whether it can be in a B-tree.
    """

    make: Callable[["Models"], Any]
    defaults: tuple[str, ...] = ()
    checks: tuple[str, ...] = ("{} IS NOT NULL",)
    ordered: bool = True


NUMBER = ("{} > 0", "{} % 2 = 0", "{} BETWEEN 1 AND 10", "{} IN (1, 2)")
TEXT = ("{} <> '100%'", r"{} <> '\:name'", "length({}) > 2", "{} LIKE 'a%'", "{} NOT IN ('it''s', '\"')")

KINDS: dict[str, Kind] = {
    "integer": Kind(lambda _: Integer(), ("0", "=1 + 1", "7"), NUMBER),
    "bigint": Kind(lambda _: BigInteger(), ("0", "=7"), NUMBER),
    "smallint": Kind(lambda _: SmallInteger(), ("0",), NUMBER),
    "numeric": Kind(lambda _: Numeric(), ("1.50",), NUMBER),
    "numeric(10,2)": Kind(lambda _: Numeric(10, 2), ("1.50", "=0"), NUMBER),
    "double": Kind(lambda _: Double(), ("1.5",), ("{} > 0",)),
    "real": Kind(lambda _: REAL(), ("1.5",), ("{} > 0",)),
    "varchar(20)": Kind(lambda _: String(20), (*TEXTS, "=lower('A')"), TEXT),
    "varchar(50)": Kind(lambda _: String(50), tuple(TEXTS), TEXT),
    "varchar": Kind(lambda _: String(), tuple(TEXTS), TEXT),
    "text": Kind(lambda _: Text(), (*TEXTS, "=current_user"), TEXT),
    "text C": Kind(lambda _: Text(collation="C"), tuple(TEXTS), TEXT),
    "char(3)": Kind(lambda _: CHAR(3), ("abc",), TEXT),
    "shout": Kind(lambda _: Shout(), tuple(TEXTS), TEXT),
    "boolean": Kind(lambda _: Boolean(), ("true", "=false"), ("{}", "{} IS NOT TRUE")),
    "date": Kind(lambda _: Date(), ("2024-01-01", "=current_date"), ("{} > '2000-01-01'",)),
    "time": Kind(lambda _: Time(), ("12:30:00",), ("{} > '00:00'",)),
    "timestamp": Kind(lambda _: DateTime(), ("2024-01-01 12:30:00", "=now()")),
    "timestamptz": Kind(lambda _: DateTime(timezone=True), ("=now()", "=clock_timestamp()")),
    "timestamp(3)": Kind(lambda _: pg.TIMESTAMP(precision=3), ("=now()",)),
    "timestamptz(3)": Kind(lambda _: pg.TIMESTAMP(timezone=True, precision=3), ("=now()",)),
    "interval": Kind(lambda _: Interval(), ("1 day",)),
    "interval day": Kind(lambda _: pg.INTERVAL(fields="DAY TO SECOND"), ("1 day",)),
    "uuid": Kind(lambda _: Uuid(), ("=gen_random_uuid()",)),
    "bytea": Kind(lambda _: LargeBinary(), (r"\x00ff",)),
    "json": Kind(lambda _: pg.JSON(), ("{}", '{"a": "100%:b"}', "='[1]'::json"), ordered=False),
    "jsonb": Kind(lambda _: pg.JSONB(), ("{}", '{"a": ":b"}'), ("{} ? 'a'",)),
    "integer[]": Kind(lambda _: ARRAY(Integer()), ("{}", "{1,2}")),
    "text[]": Kind(lambda _: pg.ARRAY(Text()), ("{}", "=ARRAY['a:b', '%']")),
    "inet": Kind(lambda _: pg.INET(), ("127.0.0.1",)),
    "cidr": Kind(lambda _: pg.CIDR(), ("10.0.0.0/8",)),
    "macaddr": Kind(lambda _: pg.MACADDR()),
    "money": Kind(lambda _: pg.MONEY(), ("1",)),
    "bit(3)": Kind(lambda _: pg.BIT(3), ("101",)),
    "bit varying": Kind(lambda _: pg.BIT(varying=True)),
    "tsvector": Kind(lambda _: pg.TSVECTOR()),
    "int4range": Kind(lambda _: pg.INT4RANGE(), ("[1,2)",)),
    "tstzrange": Kind(lambda _: pg.TSTZRANGE()),
    "int4multirange": Kind(lambda _: pg.INT4MULTIRANGE()),
    "oid": Kind(lambda _: pg.OID(), ("0",)),
    "citext": Kind(lambda _: pg.CITEXT(), ("A",), TEXT),
    "hstore": Kind(lambda _: pg.HSTORE(), ("a=>1",)),
    "point": Kind(lambda _: Point(), ("(1,2)",), ordered=False),
    "mood": Kind(lambda m: m.enum("mood"), ("sad",), ("{} <> 'sad'",)),
    "mood[]": Kind(lambda m: ARRAY(m.enum("mood")), ("{}", "{sad}")),
    "Colour": Kind(lambda m: m.enum("Colour"), ("it's",), ("{} IN ('it''s', 'b %')",)),
    "email": Kind(lambda m: m.domain("email"), ("a@b",)),
    "share": Kind(lambda m: m.domain("share"), ("1",)),
    "good mood": Kind(lambda m: m.domain("good mood"), ("ok",)),
    "tags": Kind(lambda m: m.domain("tags"), ("{}", "{a%,:b}"), ("'a' = ANY ({})",)),
    "plain enum": Kind(
        lambda _: Enum("x", "y", native_enum=False, length=9, create_constraint=True, name="xy"), ("x",)
    ),
}

# Kinds of which values can be values of the others.
FAMILIES = [
    "integer, bigint, smallint, numeric, numeric(10,2), double, real, oid, share, text",
    "varchar(20), varchar(50), varchar, text, text C, char(3), shout, citext, plain enum, email, mood",
    "mood, good mood, text, varchar(20)",
    "date, timestamp, timestamptz, timestamp(3), timestamptz(3), time, text",
    "time, interval, interval day",
    "json, jsonb, text",
    "inet, cidr, text",
    "bit(3), bit varying, text",
    "integer[], text[], tags",
    "numeric(10,2), money",
    "int4range, int4multirange, text",
]
RELATED = {
    kind: sorted(
        {other for each in FAMILIES for other in each.split(", ") if kind in each.split(", ")} - {kind}
    )
    for kind in KINDS
}

ENUMS = {"mood": (["sad", "ok", "new", "great"], None), "Colour": (["it's", "b %", ":c"], "My Schema")}


@dataclass(frozen=True)
class DrawnColumn:
    """A column; `default` and `comment` are positions in what its kind offers, or None."""

    name: str
    kind: str
    nullable: bool = True
    default: int | None = None
    comment: int | None = None
    generated: bool = False

    @property
    def key(self) -> str:
        """What the models call it."""
        return f"the {self.name}" if self.name in ("Group", "d") else self.name

    @property
    def virtual(self) -> bool:
        """Whether it is computed when it is read."""
        return self.generated and self.kind in ("integer", "bigint") and bool((self.default or 0) % 2)

    @property
    def ordered(self) -> bool:
        """Whether it can be in a B-tree."""
        return KINDS[self.kind].ordered and not self.virtual


@dataclass(frozen=True)
class DrawnTable:
    """A table; indexes, checks and keys are drawn numbers, which say what they are of."""

    name: str
    schema: str | None
    key: str = "identity"
    columns: tuple[DrawnColumn, ...] = ()
    checks: tuple[tuple[int, int], ...] = ()
    uniques: tuple[tuple[int, int], ...] = ()
    indexes: tuple[tuple[int, int], ...] = ()
    references: tuple[tuple[int, int], ...] = ()
    comment: int | None = None
    partitioned: bool = False
    excluded: bool = False


@dataclass
class Models:
    """Drawn models.

    Attributes:
        tables: the tables.
        labels: how many labels each enum has.
        metadata: what SQLAlchemy makes of them.
    """

    tables: tuple[DrawnTable, ...]
    labels: dict[str, int] = field(default_factory=dict)
    metadata: MetaData = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.metadata = MetaData(naming_convention=NAMING_CONVENTION)
        for table in self.tables:
            self._table(table)
        for table in self.tables:
            self._references(table)

    def enum(self, name: str) -> Enum:
        labels, schema = ENUMS[name]
        return Enum(*labels[: self.labels.get(name, 2)], name=name, schema=schema)

    def domain(self, name: str) -> pg.DOMAIN:
        if name == "email":
            return pg.DOMAIN("email", Text(), check=r"VALUE LIKE '%@%' AND VALUE <> '\:a'")
        if name == "share":
            return pg.DOMAIN("share", Numeric(5, 2), check="VALUE >= 0", schema="billing", default=text("1"))
        if name == "tags":
            return pg.DOMAIN("tags", ARRAY(Text()), check=r"NOT '\:a' = ANY (VALUE)")
        return pg.DOMAIN("good mood", self.enum("mood"), check="VALUE <> 'sad'", not_null=False)

    def _table(self, drawn: DrawnTable) -> None:
        columns = list(self._columns(drawn))
        options: dict[str, Any] = {}
        if drawn.partitioned:
            options["postgresql_partition_by"] = "RANGE (id)"
        if drawn.comment is not None:
            options["comment"] = TEXTS[drawn.comment]
        table = Table(drawn.name, self.metadata, *columns, schema=drawn.schema, **options)
        for number, (which, how) in enumerate(drawn.checks):
            if drawn.columns:
                column = drawn.columns[which % len(drawn.columns)]
                checks = KINDS[column.kind].checks
                said = checks[how % len(checks)].format(quoted(column.name))
                table.append_constraint(CheckConstraint(said, name=f"c{number}"))
        ordered = [each for each in drawn.columns if each.ordered]
        for which, how in drawn.uniques:
            if ordered:
                self._unique(table, drawn, ordered[which % len(ordered)], how)
        for number, (which, how) in enumerate(drawn.indexes):
            if drawn.columns:
                self._index(table, number, drawn, drawn.columns[which % len(drawn.columns)], how)
        if drawn.excluded and not drawn.partitioned:
            table.append_constraint(
                pg.ExcludeConstraint((table.c.id, "="), using="btree", name=f"x {drawn.name}")
            )

    def _key(self, drawn: DrawnTable) -> Iterator[Column[Any]]:
        match drawn.key:
            case "identity":
                yield Column("id", Integer, Identity(), primary_key=True)
            case "always":
                yield Column("id", BigInteger, Identity(always=True, start=10, increment=2), primary_key=True)
            case "counted":
                options = Identity(minvalue=-5, maxvalue=1000, start=7, cache=3, cycle=True)
                yield Column("id", Integer, options, primary_key=True)
            case "pair":
                yield Column("id", Integer, Identity(), primary_key=True)
                yield Column("part", SmallInteger, primary_key=True, server_default="1")
            case "serial":
                yield Column("id", Integer, primary_key=True)
            case "bigserial":
                yield Column("id", BigInteger, primary_key=True)
            case "sequence":
                numbers = Sequence("numbers", start=100, schema=drawn.schema)
                yield Column("id", Integer, numbers, server_default=numbers.next_value(), primary_key=True)
            case _:
                yield Column("id", Integer, primary_key=True, autoincrement=False)

    def _columns(self, drawn: DrawnTable) -> Iterator[Column[Any]]:
        yield from self._key(drawn)
        for column in drawn.columns:
            kind = KINDS[column.kind]
            more: dict[str, Any] = {"nullable": column.nullable}
            items: list[Any] = []
            if column.comment is not None:
                more["comment"] = TEXTS[column.comment]
            if column.generated and column.kind in ("integer", "bigint"):
                items.append(Computed("id % 2 + 1", persisted=not column.virtual))
            elif column.default is not None and kind.defaults:
                said = kind.defaults[column.default % len(kind.defaults)]
                default = text(said[1:].replace(":", r"\:")) if said.startswith("=") else said
                more["server_default"] = default
            type_ = kind.make(self)
            if column.kind == "plain enum":  # a table can have one CHECK of a name
                type_.name = f"xy {column.name}"
            yield Column(column.name, type_, *items, key=column.key, **more)

    def _unique(self, table: Table, drawn: DrawnTable, column: DrawnColumn, how: int) -> None:
        names = ["id", column.key] if drawn.partitioned or how % 2 else [column.key]
        options: dict[str, Any] = {}
        if how % 3 == 0 and not drawn.partitioned:
            options = {"deferrable": True, "initially": "DEFERRED"}
        elif how % 5 == 0:
            options = {"postgresql_nulls_not_distinct": True}
        elif how == 4 and not drawn.partitioned:
            options = {"postgresql_include": [drawn.columns[0].key if drawn.columns[0] != column else "id"]}
        name = f"uq{how} {drawn.name}"
        if name not in {each.name for each in table.constraints}:
            table.append_constraint(UniqueConstraint(*names, name=name, **options))

    def _index(self, table: Table, number: int, drawn: DrawnTable, column: DrawnColumn, how: int) -> None:
        item = table.c[column.key]
        name = f"i{number} {table.name}"
        if column.kind in ("integer[]", "text[]", "jsonb", "tsvector", "hstore"):
            Index(name, item, postgresql_using="gin")
        elif column.virtual:
            return
        elif not column.ordered:
            Index(name, "id", postgresql_where=item.is_not(None), _table=table)
        elif column.kind in ("text", "varchar", "varchar(20)", "citext", "text C") and how % 4 == 1:
            operators = {column.key: "text_pattern_ops"}
            Index(name, item, postgresql_ops=operators)
        elif column.kind in ("text", "varchar", "varchar(20)") and how % 4 == 2:
            Index(name, text(f"lower({quoted(column.name)}) || '100%'".join("()")), _table=table)
        else:
            choices: list[Callable[[], Any]] = [
                lambda: Index(name, item),
                lambda: Index(name, item.desc(), "id"),
                lambda: Index(name, item.desc().nulls_last(), postgresql_where=table.c.id % 2 == 0),
                lambda: Index(name, item, postgresql_include=["id"], postgresql_concurrently=True),
                lambda: Index(name, item, *["id"] * drawn.partitioned, unique=True),
                lambda: Index(
                    name,
                    item.is_(None),
                    postgresql_where=text(f"{quoted(column.name)}\\:\\:text <> '5%'")
                    if column.kind in ("integer", "text", "varchar(20)", "varchar")
                    else None,
                ),
                lambda: Index(name, item, postgresql_with={"fillfactor": 70}),
                lambda: Index(name, item, "id", unique=True, postgresql_nulls_not_distinct=True),
                lambda: Index(name, func.coalesce(item, item), "id", postgresql_include=[column.key]),
            ]
            choices[how % len(choices)]()

    def _references(self, drawn: DrawnTable) -> None:
        table = self.metadata.tables[key_of(drawn)]
        for number, (which, how) in enumerate(drawn.references):
            target = self.tables[which % len(self.tables)]
            if target.partitioned and not how % 2:
                continue
            name = f"ref{number}"
            if name in table.c:
                continue
            kind = BigInteger if target.key in ("always", "bigserial") else Integer
            pair = target.key == "pair"
            table.append_column(Column(name, kind))
            if pair:
                table.append_column(Column(f"{name} part", SmallInteger))
            choices: list[dict[str, Any]] = [
                {},
                {"ondelete": "CASCADE"},
                {"ondelete": "SET NULL", "onupdate": "CASCADE"},
                {"deferrable": True, "initially": "DEFERRED"},
                {"use_alter": True},
                {"ondelete": "SET DEFAULT", "onupdate": "RESTRICT"},
                {"match": "FULL"},
                {"ondelete": f'SET NULL ("{name}")', "initially": "DEFERRED", "deferrable": True},
            ]
            options = choices[how % len(choices)]
            table.append_constraint(
                ForeignKeyConstraint(
                    [name, f"{name} part"][: 1 + pair],
                    [f"{key_of(target)}.{key}" for key in ("id", "part")[: 1 + pair]],
                    name=f"fk{number} {drawn.name}",
                    **options,
                )
            )


def key_of(table: DrawnTable) -> str:
    return f"{table.schema}.{table.name}" if table.schema else table.name


def quoted(name: str) -> str:
    """Return a name as SQL in a `text()`: a colon would begin a bound value."""
    return '"' + name.replace('"', '""').replace(":", r"\:") + '"'


PAIR = st.tuples(st.integers(0, 9), st.integers(0, 9))


def pairs(most: int) -> st.SearchStrategy[tuple[tuple[int, int], ...]]:
    return st.lists(PAIR, max_size=most).map(tuple)


def maybe(values: int) -> st.SearchStrategy[int | None]:
    return st.one_of(st.none(), st.integers(0, values - 1))


def column(name: str) -> st.SearchStrategy[DrawnColumn]:
    return st.builds(
        DrawnColumn, st.just(name), st.sampled_from(list(KINDS)), st.booleans(), maybe(10), maybe(len(TEXTS)),
        st.integers(0, 5).map(lambda n: n == 5),
    )  # fmt: skip


@st.composite
def columns(draw: st.DrawFn) -> tuple[DrawnColumn, ...]:
    names = draw(st.lists(st.sampled_from(COLUMNS), max_size=4, unique=True))
    return tuple(draw(column(name)) for name in names)


@st.composite
def table(draw: st.DrawFn, name: str) -> DrawnTable:
    return DrawnTable(
        name,
        draw(st.sampled_from(SCHEMAS)),
        draw(st.sampled_from(KEYS)),
        draw(columns()),
        draw(pairs(2)), draw(pairs(1)), draw(pairs(2)), draw(pairs(2)), draw(maybe(len(TEXTS))),
        draw(st.integers(0, 6)) == 6, draw(st.integers(0, 6)) == 6,
    )  # fmt: skip


LABELS = st.fixed_dictionaries({"mood": st.integers(2, 4), "Colour": st.integers(2, 3)})


@st.composite
def drawn_models(draw: st.DrawFn) -> Models:
    """Draw models."""
    names = draw(st.lists(st.sampled_from(TABLES), min_size=1, max_size=3, unique=True))
    return Models(tuple(draw(table(name)) for name in names), draw(LABELS))


@st.composite
def changed(draw: st.DrawFn, before: Models) -> Models:
    """Draw what becomes of models."""
    tables = []
    for each in before.tables:
        what = draw(st.integers(0, 9))
        if what == 9:
            continue
        tables.append(draw(altered(each)) if what else each)
    others = [name for name in TABLES if name not in {each.name for each in before.tables}]
    if draw(st.integers(0, 3)) == 3:
        tables.append(draw(table(draw(st.sampled_from(others)))))
    labels = {name: max(count, before.labels[name]) for name, count in draw(LABELS).items()}
    return Models(tuple(tables), labels)


@st.composite
def altered(draw: st.DrawFn, before: DrawnTable) -> DrawnTable:
    found: list[DrawnColumn] = []
    for each in before.columns:
        what = draw(st.integers(0, 9))
        if what == 0:
            continue
        if what == 1:
            other = draw(column(each.name))
            related = draw(st.sampled_from([None, *RELATED.get(each.kind, [])]))
            found.append(replace(other, kind=related, default=None) if related else other)
        elif what == 2:
            found.append(replace(each, nullable=not each.nullable))
        elif what == 3:
            found.append(replace(each, default=draw(maybe(10)), comment=draw(maybe(len(TEXTS)))))
        elif what == 4:
            found.append(
                replace(
                    each,
                    name=draw(
                        st.sampled_from(
                            [n for n in COLUMNS if n not in {c.name for c in (*found, *before.columns)}]
                        )
                    ),
                )
            )
        else:
            found.append(each)
    if draw(st.integers(0, 3)) == 3:
        left = [name for name in COLUMNS if name not in {each.name for each in found}]
        if left:
            found.append(draw(column(draw(st.sampled_from(left)))))
    again = draw(st.integers(0, 7))
    return replace(
        before,
        columns=tuple(found),
        checks=draw(pairs(2)) if again == 1 else before.checks,
        uniques=draw(pairs(1)) if again == 2 else before.uniques,
        indexes=draw(pairs(2)) if again == 3 else before.indexes,
        references=draw(pairs(2)) if again == 4 else before.references,
        key=draw(st.sampled_from(KEYS)) if again == 5 else before.key,
        comment=draw(maybe(len(TEXTS))),
        excluded=not before.excluded if again == 6 else before.excluded,
    )
