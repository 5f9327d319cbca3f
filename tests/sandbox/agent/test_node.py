"""What the Node reports of the images that containers ran from."""

from __future__ import annotations

from helm_safe.sandbox.agent.clock import Clock
from helm_safe.sandbox.agent.images import MOST, Images
from helm_safe.sandbox.agent.node import NOT_READY, Node, NodeFacts


class Server:
    """An API server with at most one Node; patches of its status, in order."""

    def __init__(self):
        self.node, self.patches = None, []

    async def get(self, path):
        return self.node

    async def create(self, path, body):
        self.node = {**body, "metadata": {**body["metadata"], "uid": "u"}}
        return self.node

    async def patch(self, path, body, kind=""):
        if path.endswith("/status"):
            self.patches.append(body["status"])
            self.node["status"] |= body["status"]


def test_the_node_tells_of_new_images_and_is_silent_without_any(timeless):
    server, images = Server(), Images()

    async def story():
        node = Node(server, Clock(), NodeFacts("n", "10.0.0.1"), images)
        await node.beat()
        before = len(server.patches)
        await node.beat()
        assert len(server.patches) == before
        images.ran("shop/api:2")
        images.ran("shop/api:1")
        await node.beat()
        await node.beat()
        assert [each["names"] for each in server.patches[before]["images"]] == [["shop/api:1"], ["shop/api:2"]]
        assert len(server.patches) == before + 1
        server.node = None
        await node.beat()
        assert len(server.node["status"]["images"]) == 2

    timeless(story)


def test_a_node_in_trouble_is_played_by_an_annotation(timeless):
    server = Server()

    def ready():
        return next(each for each in server.node["status"]["conditions"] if each["type"] == "Ready")

    async def story():
        node = Node(server, Clock(), NodeFacts("n", "10.0.0.1"), Images())
        await node.beat()
        assert ready()["status"] == "True"
        server.node["metadata"]["annotations"] = {NOT_READY: "container runtime is down"}
        await node.beat()
        assert (ready()["status"], ready()["message"]) == ("False", "container runtime is down")
        server.node["metadata"]["annotations"] = {}
        await node.beat()
        assert ready()["status"] == "True"

    timeless(story)


def test_the_list_is_bounded_and_forgets_what_ran_longest_ago():
    images = Images()
    for number in range(MOST + 10):
        images.ran("always")
        images.ran(f"shop/api:{number}")
    names = [name for each in images.report() for name in each["names"]]
    assert len(names) == MOST
    assert "always" in names
    assert "shop/api:10" not in names
    assert f"shop/api:{MOST + 9}" in names


def test_a_container_that_starts_is_on_the_node_and_one_that_cannot_be_pulled_is_not(story, pod):
    async def tell(world):
        good = world.live(pod("shop/api:1"))
        missing = world.live(pod("shop/api:missing", name="b", uid="u2"))
        await world.clock.sleep(30)
        assert [each["names"] for each in good.means.images.report()] == [["shop/api:1"]]
        assert missing.means.images.report() == []

    story(tell)
