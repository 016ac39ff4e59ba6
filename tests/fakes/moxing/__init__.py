"""Stands in for ModelArts' package: s3://bucket/x is $FAKE_BUCKETS/bucket/x."""

from moxing import file as file
