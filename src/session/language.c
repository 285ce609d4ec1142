/*
 * Texts in other languages. Runs sandboxed; everything is in the program. To
 * add a language: a table like `german`, every text of it with the same
 * directives in the same order and the same response code (a test compares),
 * and a row in `languages`. Texts that programs read for their numbers (the
 * replies to a login, STAT, LIST) have no entry and stay English.
 *
 * A text other than that of a busy maildrop must not contain "lock" or "wait",
 * not even inside a word: a widely used client looks for them.
 */
#include "language.h"

#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct translation german[] = {
	/* AUTHORIZATION */
	{"+OK begin TLS", "+OK TLS beginnt"},
	{"+OK send PASS", "+OK jetzt PASS senden"},
	{"+OK %s language is %s", "+OK %s die Sprache ist %s"},
	{"+OK languages", "+OK Sprachen"},
	{"[AUTH] login failed", "[AUTH] Anmeldung fehlgeschlagen"},
	{"[AUTH] no passwords over this connection; use TLS or APOP",
	    "[AUTH] keine Passwörter über diese Verbindung; TLS oder APOP verwenden"},
	{"-ERR [IN-USE] maildrop is locked by another session %s",
	    "-ERR [IN-USE] Postfach gesperrt (locked) durch eine andere Sitzung %s"},
	{"[IN-USE] maildrop is locked by another program",
	    "[IN-USE] Postfach gesperrt (locked) durch ein anderes Programm"},
	{"-ERR [LOGIN-DELAY] log in at most every %u seconds",
	    "-ERR [LOGIN-DELAY] höchstens alle %u Sekunden anmelden"},
	{"[SYS/PERM] maildrop is not a plain file of yours; ask your postmaster",
	    "[SYS/PERM] das Postfach ist keine gewöhnliche eigene Datei; den Postmaster fragen"},
	{"[SYS/PERM] maildrop is not an mbox", "[SYS/PERM] das Postfach ist keine mbox"},
	{"[SYS/PERM] maildrop is over the size limit of this server",
	    "[SYS/PERM] das Postfach ist größer, als dieser Server erlaubt"},
	{"[SYS/PERM] maildrop folder does not permit what the server needs",
	    "[SYS/PERM] der Ordner des Postfachs erlaubt nicht, was der Server braucht"},
	{"[SYS/TEMP] mail is out of reach, try later",
	    "[SYS/TEMP] die Post ist nicht erreichbar, später versuchen"},
	{"[SYS/TEMP] maildrop was replaced meanwhile, try again",
	    "[SYS/TEMP] das Postfach wurde inzwischen ersetzt, noch einmal versuchen"},
	{"[SYS/TEMP] no space left on the server", "[SYS/TEMP] kein Platz mehr auf dem Server"},
	{"[SYS/TEMP] no memory left on the server",
	    "[SYS/TEMP] kein Arbeitsspeicher mehr auf dem Server"},
	{"[SYS/TEMP] maildrop cannot be read", "[SYS/TEMP] das Postfach ist nicht lesbar"},
	{"[SYS/TEMP] an interrupted update is not finished, try later",
	    "[SYS/TEMP] eine unterbrochene Änderung ist nicht fertig, später versuchen"},
	{"[SYS/TEMP] server is shutting down", "[SYS/TEMP] der Server wird beendet"},
	{"[SYS/TEMP] too many connections from your address",
	    "[SYS/TEMP] zu viele Verbindungen von dieser Adresse"},
	{"send USER first", "zuerst USER senden"},
	{"APOP is not offered here", "APOP wird hier nicht angeboten"},
	{"[AUTH] no passwords over this connection; use TLS",
	    "[AUTH] keine Passwörter über diese Verbindung; TLS verwenden"},
	{"[AUTH] nobody logs in as another here",
	    "[AUTH] niemand meldet sich hier als ein anderer an"},
	{"authentication cancelled", "Anmeldung abgebrochen"},
	{"mechanism is not offered", "dieses Verfahren wird nicht angeboten"},
	{"this type of channel binding is not offered",
	    "diese Art der Kanalbindung wird nicht angeboten"},
	{"not a response in base64", "keine Antwort in Base64"},
	{"not a message of SCRAM", "keine Nachricht von SCRAM"},
	{"not [name] NUL name NUL password", "nicht [Name] NUL Name NUL Passwort"},
	{"not a name of 1 to 255 octets", "kein Name von 1 bis 255 Oktetten"},
	{"not a password of 1 to 255 octets", "kein Passwort von 1 bis 255 Oktetten"},
	{"name or password is empty or over 255 octets",
	    "Name oder Passwort ist leer oder hat über 255 Oktette"},
	{"no TLS on this server", "dieser Server hat kein TLS"},
	{"TLS is active already", "TLS ist schon aktiv"},
	{"nothing may follow STLS before TLS is there",
	    "auf STLS darf nichts folgen, bevor TLS da ist"},

	/* TRANSACTION */
	{"+OK top of message follows", "+OK Anfang der Nachricht folgt"},
	{"+OK message %u deleted", "+OK Nachricht %u gelöscht"},
	{"+OK maildrop has %u messages (%llu octets)",
	    "+OK das Postfach hat %u Nachrichten (%llu Oktette)"},
	{"-ERR message %u already deleted", "-ERR Nachricht %u ist schon gelöscht"},
	{"-ERR no such message, only %u messages in maildrop",
	    "-ERR keine solche Nachricht, nur %u Nachrichten im Postfach"},
	{"[SYS/PERM] maildrop is read-only", "[SYS/PERM] das Postfach ist nur lesbar"},
	{"-ERR [SYS/TEMP] %s, log in again", "-ERR [SYS/TEMP] %s, neu anmelden"},
	{"the server's disk failed", "die Festplatte des Servers versagt"},
	{"[UTF8] this message needs UTF8 mode; send UTF8 before you log in",
	    "[UTF8] diese Nachricht braucht UTF8; vor der Anmeldung UTF8 senden"},

	/* UPDATE */
	{"+OK Poplar signing off", "+OK Poplar verabschiedet sich"},
	{"+OK Poplar signing off (maildrop empty)",
	    "+OK Poplar verabschiedet sich (Postfach leer)"},
	{"+OK Poplar signing off (%u messages left)",
	    "+OK Poplar verabschiedet sich (noch %u Nachrichten)"},
	{"-ERR [SYS/TEMP] %s, nothing deleted", "-ERR [SYS/TEMP] %s, nichts gelöscht"},
	{"maildrop is locked by another program",
	    "Postfach gesperrt (locked) durch ein anderes Programm"},
	{"maildrop was changed by another program",
	    "ein anderes Programm hat das Postfach geändert"},
	{"maildrop is read-only", "das Postfach ist nur lesbar"},
	{"no space left on the server", "kein Platz mehr auf dem Server"},
	{"no memory left on the server", "kein Arbeitsspeicher mehr auf dem Server"},
	{"maildrop folder does not permit what the server needs",
	    "der Ordner des Postfachs erlaubt nicht, was der Server braucht"},
	{"[SYS/TEMP] the server's disk failed; log in again to see what was deleted",
	    "[SYS/TEMP] die Festplatte des Servers versagt; neu anmelden, um zu sehen, was "
	    "gelöscht ist"},

	/* any state */
	{"-ERR usage: %s", "-ERR Gebrauch: %s"},
	{"unknown command", "unbekannter Befehl"},
	{"log in first", "zuerst anmelden"},
	{"you are logged in already", "die Anmeldung ist schon erfolgt"},
	{"NUL or CR inside a command", "NUL oder CR in einem Befehl"},
	{"line too long", "Zeile zu lang"},
	{"no such language", "diese Sprache gibt es hier nicht"},
	{"RPOP is not safe and not offered", "RPOP ist nicht sicher und wird nicht angeboten"},
	{"this is a POP3 server", "dies ist ein POP3-Server"},
};

const struct language languages[] = {
	{"en", "English", NULL, 0},
	{"de", "Deutsch", german, sizeof(german) / sizeof(german[0])},
};
/* clang-format on */

const size_t language_count = sizeof(languages) / sizeof(languages[0]);

/* RFC 4647 lookup: a longer tag stands for its first part. */
const struct language *
language_find(const char *tag)
{
	size_t length = strcspn(tag, "-");

	if (strcmp(tag, "*") == 0 || strcasecmp(tag, "i-default") == 0)
		return &languages[0];
	for (size_t i = 0; i < language_count; i++) {
		if (strlen(languages[i].tag) == length &&
		    strncasecmp(languages[i].tag, tag, length) == 0)
			return &languages[i];
	}
	return NULL;
}

const char *
language_text(const struct language *language, const char *english)
{
	for (size_t i = 0; i < language->count; i++) {
		if (strcmp(language->texts[i].english, english) == 0)
			return language->texts[i].text;
	}
	return english;
}
