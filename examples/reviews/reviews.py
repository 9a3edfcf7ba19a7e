"""Run the program against `trusthub serve --callbacks`, with an outage, and kill it twice. TestFromPython does so:

    go test -run TestFromPython -outage 40s .
"""

import csv, json, os, signal, socket, sqlite3, subprocess, sys, tempfile, time, urllib.request

ACCOUNT, TOKEN, PROFILES = "AC0123456789abcdef0123456789abcdef", "the token of an account", 2000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sid(i):
    return "BU%032x" % (i + 1)


def request(method, url, value=None):
    body = json.dumps(value).encode() if value is not None else None
    with urllib.request.urlopen(urllib.request.Request(url, body, method=method), timeout=30) as response:
        return response.read().decode()


def wait(what, done):
    for _ in range(600):
        try:
            if done():
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("no " + what)


class World:
    def __init__(self, trusthub, reviews, folder):
        self.reviews, self.folder = reviews, folder
        self.own = "127.0.0.1:%d" % free_port()
        self.serve = subprocess.Popen(
            [trusthub, "serve", "--callbacks", "--addr", "127.0.0.1:0", "--limit", "20", "--latency", "20ms"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.fake = self.serve.stdout.readline().strip()
        request("PUT", self.fake + "/_fake/accounts/" + ACCOUNT, TOKEN)
        self.status = {}
        with open(folder + "/sids.csv", "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["profile_sid"])
            for i in range(PROFILES):
                self.put(i, "in-review")
                rows.writerow([sid(i)])

    def put(self, i, status):
        self.status[sid(i)] = status
        request("PUT", self.fake + "/_fake/profiles/" + sid(i), {
            "account_sid": ACCOUNT, "status": status, "errors": [{"code": 18603}] if status == "twilio-rejected" else None,
            "status_callback": "http://%s/trusthub/%s/%s" % (self.own, ACCOUNT, sid(i))})

    def start(self):
        self.process = subprocess.Popen(
            [self.reviews, "-database", self.folder + "/reviews.db", "-listen", self.own, "-public", "http://" + self.own,
             "-base-url", self.fake, "-every", "5s", "-account", ACCOUNT + "=" + self.folder + "/sids.csv"],
            env=dict(os.environ, **{"TWILIO_AUTH_TOKEN_" + ACCOUNT: TOKEN}), stderr=open(self.folder + "/log", "a"))
        wait("readiness", lambda: request("GET", "http://" + self.own + "/readyz") == "")

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait()

    def outbox(self):
        with sqlite3.connect(self.folder + "/reviews.db", timeout=10) as db:
            messages = {}
            for key, status, reasons in db.execute("SELECT sid, status, reasons FROM outbox ORDER BY number"):
                messages.setdefault(key, []).append((status, reasons))
            return messages

    def complete(self):
        messages = self.outbox()
        return all(key in messages and messages[key][-1][0] == status for key, status in self.status.items())


def main(trusthub, reviews, outage):
    with tempfile.TemporaryDirectory() as folder:
        world = World(trusthub, reviews, folder)

        def change(first, last, pause=0.0):
            for i in range(first, last):
                world.put(i, ["twilio-approved", "twilio-rejected"][i % 2])
                time.sleep(pause)

        try:
            world.start()
            time.sleep(0.5)  # in the first sweep
            request("POST", world.fake + "/_fake/faults", {"status": 503, "times": -1})
            change(0, 50, float(outage) / 100)
            world.end(signal.SIGKILL)
            world.start()
            change(50, 100, float(outage) / 100)
            request("DELETE", world.fake + "/_fake/faults")
            change(100, 150)
            world.end(signal.SIGKILL)
            change(150, 200)  # nobody is there
            world.start()
            change(200, 300)
            wait("complete table", world.complete)
            assert "trusthub_tracker_profiles" in request("GET", "http://" + world.own + "/metrics")
            assert world.end(signal.SIGTERM) == 0
            words = 0
            for key, messages in world.outbox().items():
                statuses = [status for status, _ in messages]
                assert statuses in ([world.status[key]], ["in-review", world.status[key]]), (key, messages)
                words += "Twilio says" in messages[-1][1]
            sent = json.loads(request("GET", world.fake + "/_fake/callbacks"))["callbacks"]
            print(len(world.outbox()), "profiles,", len(sent), "callbacks,", words, "with the words of one: each change once")
        finally:
            world.serve.kill()
            world.end(signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
