"""Writes types.parquet: every kind of flat column, with nulls, in two row groups; snappy.parquet: two of them with
the other codec."""
import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

day = datetime.date(2024, 2, 29)
noon = datetime.datetime(2024, 2, 29, 12, 30)
table = pa.table({
    "double": pa.array([1.5, None, -3.25, 1e300], pa.float64()),
    "single": pa.array([0.5, 1.5, None, 2.5], pa.float32()),
    "int32": pa.array([1, -2, None, 4], pa.int32()),
    "int64": pa.array([1, None, 3, 2**53], pa.int64()),
    "uint8": pa.array([255, 0, None, 7], pa.uint8()),
    "uint32": pa.array([2**32 - 1, None, 0, 1], pa.uint32()),
    "flag": pa.array([True, False, None, True]),
    "text": pa.array(["sun", None, "rain", "sun"]),
    "large": pa.array(["b", "a", "b", None], pa.large_string()),
    "dictionary": pa.array(["x", "y", None, "x"]).dictionary_encode(),
    "date": pa.array([day, None, day, day], pa.date32()),
    "time": pa.array([noon, noon, None, noon], pa.timestamp("us")),
    "decimal": pa.array([Decimal("1.25"), None, Decimal("-0.50"), Decimal("2.00")], pa.decimal128(9, 2)),
    "required": pa.array([1.0, 2.0, 3.0, 4.0]),
    "hash": pa.array([2**53 + 1, 2**53, None, -1], pa.int64()),
    "list": pa.array([[1], [2], None, [3, 4]]),
})
field = table.schema.field("required").with_nullable(False)
table = table.cast(table.schema.set(table.schema.get_field_index("required"), field))
options = {"row_group_size": 2, "store_decimal_as_integer": True}
pq.write_table(table, "types.parquet", compression="zstd", **options)
pq.write_table(table.select(["double", "text"]), "snappy.parquet", compression="snappy", row_group_size=3)
