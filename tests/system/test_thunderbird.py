"""Thunderbird fetches real mail over a plain connection, over STLS and over TLS
from the first octet; leaves it on the server, deletes some of it or takes all.

It runs on a display of Xvfb's, with a profile (accounts and servers) that the
test writes. An AutoConfig script, as administrators use it, trusts the test's
authority, saves the password, tells Thunderbird to get the mail of each
account, and ends it. Neither program is in tests/packages: thunderbird is
more than 300 MB on the disk. To run this: apt-get install thunderbird xvfb
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import harness
import oracle
import secure
from clients import DELIVERED, MAIL, WHO, by_message_id, message_id, own, stored

PROGRAM = pathlib.Path("/usr/lib/thunderbird")
# what Thunderbird calls the ways to be secure
PLAINTEXT, STLS, TLS = 0, 2, 3

AUTOCONFIG = """\
// the first line is not read
pref("general.config.filename", "test.cfg");
pref("general.config.obscure_value", 0);
pref("general.config.sandbox_enabled", false);
"""

SCRIPT = """\
// the first line is not read
const job = %s;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const tell = text => dump(`TEST ${text}\\n`);

async function prepare(servers) {
  Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)
    .addCertFromBase64(job.authority, "C,,");
  const saved = await Services.logins.getAllLogins();
  for (const server of saved.length ? [] : servers) {
    const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
    const origin = "mailbox://" + server.hostname;
    login.init(origin, null, origin, server.username, "secret", "", "");
    await Services.logins.addLoginAsync(login);
  }
}

const fetch = server => new Promise((resolve, reject) =>
  MailServices.pop3.GetNewMail(null, {
    QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    OnStartRunningUrl() {},
    OnStopRunningUrl(url, status) { status == 0 ? resolve() : reject(status); },
  }, server.rootFolder.getChildNamed("Inbox"), server));

const remove = (server, numbers) => new Promise(resolve => {
  const inbox = server.rootFolder.getChildNamed("Inbox");
  const messages = [...inbox.messages].sort((a, b) => a.messageKey - b.messageKey);
  inbox.deleteMessages(numbers.map(n => messages[n - 1]), null, true, false, {
    QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
    onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() {},
    onStopCopy: resolve,
  }, false);
});

async function run() {
  const servers = MailServices.accounts.accounts.map(account => account.incomingServer)
    .filter(server => server.type == "pop3");
  await prepare(servers);
  for (const server of servers) {
    await fetch(server);
    tell("fetched " + server.username);
    const numbers = job.remove[server.username];
    if (numbers) {
      await remove(server, numbers);
      await fetch(server);
    }
  }
}

const started = {
  observe() {
    Services.obs.removeObserver(started, "mail-startup-done");
    run().catch(error => tell("failed " + error))
      .finally(() => Services.startup.quit(Ci.nsIAppStartup.eForceQuit));
  },
};
Services.obs.addObserver(started, "mail-startup-done");
"""

# nothing asked, nothing shown, nothing looked for in the network
QUIET = {
    "app.donation.eoy.version.viewed": 999, "app.normandy.enabled": False,
    "browser.dom.window.dump.enabled": True, "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.blocklist.enabled": False, "extensions.update.enabled": False,
    "mail.rights.version": 1, "mail.spotlight.firstRunDone": True, "mail.chat.enabled": False,
    "mailnews.auto_config_url": "", "mailnews.start_page.enabled": False,
    "mail.biff.show_alert": False, "mail.biff.play_sound": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9,
    "toolkit.telemetry.enabled": False,
}


def preferences(values):
    return "".join(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
                   for name, value in values.items())


def accounts(users, port, security, leave, folder):
    """An account of each user, as the wizard would have made it."""
    numbers = range(1, len(users) + 1)
    values = {"mail.accountmanager.accounts": ",".join(f"account{n}" for n in numbers)}
    for n, user in zip(numbers, users):
        server = {"type": "pop3", "hostname": secure.NAME, "port": port, "userName": user,
                  "name": user, "socketType": security, "authMethod": 3, "leave_on_server": leave,
                  "delete_mail_left_on_server": True, "check_new_mail": False,
                  "login_at_startup": False, "directory": str(folder / user)}
        values |= {f"mail.server.server{n}.{key}": value for key, value in server.items()}
        values |= {f"mail.account.account{n}.server": f"server{n}",
                   f"mail.account.account{n}.identities": f"id{n}",
                   f"mail.identity.id{n}.useremail": f"{user}@example.org"}
    return values


def inbox(path):
    """The messages of an mbox of Thunderbird's, without what it added: five
    fields in front, ">" before "From ", an empty line behind."""
    data = path.read_bytes() if path.exists() else b""
    messages = []
    for text in re.split(rb"(?m)^From - .*\r\n", data)[1:]:
        added = re.match(rb"X-Account-Key: .*\nX-UIDL: .*\nX-Mozilla-Status: (....)\n"
                         rb"X-Mozilla-Status2: .*\nX-Mozilla-Keys: .*\n", text)
        if int(added.group(1), 16) & 8 == 0:  # not deleted
            text = text[added.end():].removesuffix(b"\r\n")
            messages.append(re.sub(rb"(?m)^>(>*From )", rb"\1", text))
    return messages


class Thunderbird(secure.TlsCase):
    def setUp(self):
        super().setUp()
        if not (PROGRAM / "thunderbird-bin").exists() or not shutil.which("Xvfb"):
            self.skipTest("needs the packages thunderbird and xvfb")
        self.home = own(tempfile.mkdtemp(prefix="poplar-thunderbird-"))
        self.addCleanup(shutil.rmtree, self.home, True)
        self.home.chmod(0o755)
        self.profile = own_folder(self.home / "profile")
        self.mail = own_folder(self.home / "mail")
        self.server = self.daemon(users={name: "{PLAIN}secret" for name in MAIL})
        for name, data in MAIL.items():
            self.server.put(data, name)

    def install(self, job):
        """The program with an AutoConfig script of ours: links to the files
        of the package, and what must lie beside them."""
        folder = self.home / "program"
        shutil.rmtree(folder, True)
        (folder / "defaults" / "pref").mkdir(parents=True)
        for path in PROGRAM.iterdir():
            if path.name == "thunderbird-bin":
                shutil.copy(path, folder)
            elif path.name not in ("defaults", "thunderbird"):
                (folder / path.name).symlink_to(path)
        (folder / "defaults" / "pref" / "test.js").write_text(AUTOCONFIG)
        (folder / "test.cfg").write_text(SCRIPT % json.dumps(job))
        return folder / "thunderbird-bin"

    def display(self):
        reading, writing = os.pipe()
        server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-nolisten", "tcp", "-screen", "0", "1024x768x24"],
            pass_fds=[writing], stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        os.close(writing)
        with os.fdopen(reading) as answer:
            return ":" + answer.readline().strip()

    def run_thunderbird(self, security=PLAINTEXT, leave=True, users=MAIL, remove=None):
        """Gets the mail of all users. remove: for a user the numbers of
        messages that are then deleted in the inbox, and the mail got again."""
        port = self.server.tls_port if security == TLS else self.server.port
        authority = "".join(secure.trusting_ca_file().read_text().splitlines()[1:-1])
        program = self.install({"authority": authority, "remove": remove or {}})
        (self.profile / "user.js").write_text(
            preferences(QUIET | accounts(users, port, security, leave, self.mail)))
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8",
                       "DISPLAY": self.display(), "MOZ_CRASHREPORTER_DISABLE": "1"}
        done = subprocess.run(
            [program, "--no-remote", "--profile", self.profile], env=environment, cwd="/", **WHO,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, check=False)
        told = re.findall(r"(?m)^TEST (.*)$", done.stdout.decode(errors="replace"))
        self.assertEqual(told, [f"fetched {user}" for user in users],
                         done.stdout.decode(errors="replace")[-3000:])

    def assert_inbox(self, user, messages):
        got = by_message_id(inbox(self.mail / user / "Inbox"))
        expected = by_message_id(map(stored, messages))
        self.assertEqual([message_id(data) for data in got],
                         [message_id(data) for data in expected])
        for data, wanted in zip(got, expected):
            self.assert_octets(data, wanted, message_id(wanted).decode())

    def test_fetches_all_and_keeps_it(self):
        self.run_thunderbird()
        self.assert_all_fetched("proto=pop3 tls=- auth=PLAIN")

    def test_fetches_all_over_stls(self):
        self.run_thunderbird(STLS)
        self.assert_all_fetched(r"proto=pop3 tls=TLSv1\.3 auth=PLAIN")

    def test_fetches_all_over_tls(self):
        self.run_thunderbird(TLS)
        self.assert_all_fetched(r"proto=pop3s tls=TLSv1\.3 auth=PLAIN")

    def assert_all_fetched(self, how):
        for user, data in MAIL.items():
            self.assert_inbox(user, oracle.parse(data))
            self.assert_octets(self.server.read(user), data)
        self.server.wait_log(how + " login=ok", count=len(MAIL))
        self.server.wait_log("end=quit", count=len(MAIL))
        self.assertNotRegex(self.server.log(), "end=(drop|error|timeout)|session died|login=fail")

    def test_leaves_on_server_and_fetches_the_new(self):
        user, data = min(MAIL.items(), key=lambda item: len(item[1]))
        self.run_thunderbird(users=[user])
        self.server.append(DELIVERED, user)
        for retrieved in (1, 0):
            self.run_thunderbird(users=[user])
            self.assert_inbox(user, oracle.parse(data + DELIVERED))
            self.server.wait_log(f"end=quit retr={retrieved}/")
        self.assert_octets(self.server.read(user), data + DELIVERED)

    def test_deletes_what_is_deleted_in_the_inbox(self):
        numbers = {user: [1, 4, 5, len(oracle.parse(data))] for user, data in MAIL.items()}
        self.run_thunderbird(STLS, remove=numbers)
        for user, data in MAIL.items():
            left = oracle.without(data, set(numbers[user]))
            self.assert_octets(self.server.read(user), left, user)
            self.assert_inbox(user, oracle.parse(left))

    def test_takes_all_away(self):
        self.run_thunderbird(TLS, leave=False)
        for user, data in MAIL.items():
            self.assert_inbox(user, oracle.parse(data))
            self.assertEqual(self.server.read(user), b"")


def own_folder(path):
    path.mkdir()
    return own(path)


if __name__ == "__main__":
    harness.main()
