"""The servers of a bench do nothing of their own accord while something is measured."""

from redis import Redis

from kit.embedded.cluster import EmbeddedCluster
from loadtests.bench.stores import _never_rewrite


def test_no_node_of_a_cluster_rewrites_its_log(redis_cluster: EmbeddedCluster) -> None:
    """The masters of a cluster are held against a Redis that does not, either."""
    _never_rewrite(redis_cluster.url)
    for node in redis_cluster.nodes.values():
        with Redis("127.0.0.1", node.port) as redis:
            assert redis.config_get("auto-aof-rewrite-percentage") == {"auto-aof-rewrite-percentage": "0"}
