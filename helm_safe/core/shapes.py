"""The shapes by which secrets are known in text: rules for one line each, bounded, in the order of trying."""

from __future__ import annotations

from typing import NamedTuple

MASK = "***"
KEPT = r"(?!\*{3}(?:[\s,;&}\"'\\)<]|$))"
"""Not what is masked already: a second time changes nothing."""
KEYWORD = (
    r"(?:passw(?:or)?d|passwd|passphrase|(?<![a-z])pwd|secret|token|api[._-]?key|access[._-]?key|credentials?"
    r"|(?:private|client|encryption|signing|master|storage|license|shared|webhook|account)[._-]?key|sharedaccesskey"
    r"|user id|(?:[_.-]|(?<![a-z]))pass(?![a-z])|conn(?:ection)?[_-]?string|sess(?:ion)?[_-]?id|connect\.sid"
    r"|dockerconfigjson|signature|(?<![a-z])(?:sig|otp|hmac|salt|pin|auth)(?![a-z]))(?:[_-][\w-]{0,40})?"
)
_QUOTED = r"(?:\\\"(?:(?!\\\")[\s\S])*(?:\\\"|$)|\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|[^\s,;&}\"'<]+)"


_WORDS = (
    *(
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "credential",
        "user id",
        "connstr",
        "conn_str",
        "conn-str",
        "connection",
    ),
    *("sessionid", "session_id", "session-id", "sessid", "sess_id", "connect.sid", "dockerconfig", "signature", "sig"),
    *("otp", "hmac", "salt", "pin", "auth"),
)


class Rule(NamedTuple):
    """A pattern, tried only on lines that hold one of the (lower-case) needles: most lines hold none."""

    needles: tuple[str, ...]
    pattern: str
    replacement: str


_TOKENS = (
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{20,}|glsa_\w{20,}",
    r"xox[abeprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|[rsp]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[\w+/=]{16,}",
    r"AIza[\w-]{30,}|ya29\.[\w-]{10,}|GOCSPX-[\w-]{20,}|SG\.[\w-]{10,}\.[\w-]{10,}|npm_[A-Za-z0-9]{30,}",
    r"dckr_[po]at_[\w-]{10,}|hv[sbr]\.[\w-]{20,}|sk-(?:proj-|ant-|svcacct-)?[\w-]{20,}|shp(?:at|ca|pa|ss)_\w{20,}",
    r"AGE-SECRET-KEY-1\w{20,}|pypi-[\w-]{20,}|dp\.(?:pt|st|ct|sa)\.\w{20,}|do[opr]_v1_\w{20,}|ATATT\w{20,}",
    r"hf_[A-Za-z0-9]{20,}|nvapi-[\w-]{20,}|tskey-[\w-]{16,}|key-[0-9a-f]{32}|LTAI[A-Za-z0-9]{12,}",
)
_NEEDLES = (
    *("gh", "gl", "xox", "xapp-", "k_live_", "k_test_", "whsec_", "aiza", "ya29.", "gocspx-", "sg.", "npm_", "dckr_"),
    *("hvs.", "hvb.", "hvr.", "sk-", "shp", "age-secret", "pypi-", "dp.", "_v1_", "atatt", "hf_", "nvapi-", "tskey-"),
    *("key-", "ltai"),
)

RULES = (
    Rule(("://",), r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s:/@]{0,256}:[^\s@]{1,1024}@", r"\1***:***@"),
    Rule(("://",), rf"(?i)\b([a-z][a-z0-9+.-]{{0,20}}://){KEPT}(?!\*\*\*)[^\s:/@\"']{{8,512}}@", r"\1***@"),
    Rule(("@tcp(", "@unix("), r"(?i)[\w.-]{1,64}:[^\s@/]{1,256}@(tcp|unix)\(", r"***:***@\1("),
    Rule(("hooks.slack",), r"(?i)https://hooks\.slack\.com/services/\S+", "https://hooks.slack.com/services/***"),
    Rule(("webhook",), r"(?i)(https://[\w.-]{1,190}/(?:api/webhooks|webhookb2|workflows)/)\S+", r"\1***"),
    # Whole headers: a session hides anywhere in a cookie.
    Rule(
        ("cookie", "authorization"),
        r"(?i)\b((?:set-)?cookie2?|(?:proxy-)?authorization)(\\?[\"']?\s{0,4}[:=])(?!\s{0,4}\\?[\"']?\*\*\*)(\s{0,4}\\?[\"']?)[^\n\"'\\]+",
        r"\1\2\3***",
    ),
    Rule(("bearer", "basic"), r"(?i)\b(bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{8,}", r"\1 ***"),
    Rule(("eyj",), r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*", "***JWT***"),
    Rule(("akia", "asia"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", "***AWS_KEY_ID***"),
    Rule(_NEEDLES, rf"\b(?:{'|'.join(_TOKENS)})", "***TOKEN***"),
    # An object that repeats itself, and a Secret that somebody printed.
    Rule(
        ("last-applied-configuration",),
        r"(last-applied-configuration\\?[\"']?\s{0,4}[:=]\s{0,4})(?!\*\*\*)\S[^\n]*",
        r"\1***",
    ),
    Rule(
        ("secret",),
        r"(\\?[\"'](?:data|stringData)\\?[\"']\s{0,4}:\s{0,4})\{(?!\*\*\*)[^{}]*\}?",
        r"\1{***}",
    ),
    # Commands: the value is a word of its own.
    Rule(
        _WORDS,
        rf"(?i)((?<![\w-])--?[\w-]{{0,40}}(?:password|passwd|passphrase|pwd|secret|token|api-?key|access-?key|credentials?)[\w-]{{0,40}}\s{{1,4}}){KEPT}(?!-)[^\s\"']+",
        r"\1***",
    ),
    Rule(("mysql", "mariadb"), rf"(?i)(\b(?:mysql|mariadb)\w{{0,20}}\b[^\n]{{0,200}}?\s-p){KEPT}[^\s]+", r"\1***"),
    Rule(("redis-cli", "sshpass"), rf"(?i)(\b(?:redis-cli|sshpass)\b[^\n]{{0,200}}?\s-[ap]\s{{0,4}}){KEPT}\S+", r"\1***"),
    Rule(("curl", "wget"), rf"(?i)(\b(?:curl|wget)\b[^\n]{{0,200}}?\s(?:-u|--user)[\s=]{{1,4}}){KEPT}\S+", r"\1***"),
    Rule(
        ("=",),
        rf"(?i)([?&](?:key|code|sig|sid|auth|session|x-amz-(?:signature|credential|security-token))=){KEPT}[^&\s\"'<]+",
        r"\1***",
    ),
    Rule(
        ("pass", "pwd", "secret", "key", "credential", "token"),
        r"(?i)(<((?:[\w.-]{0,40})(?:password|passwd|secret|token|apikey|credential)[\w.-]{0,40})>)(?!\*\*\*)[^<\n]+",
        r"\1***",
    ),
    Rule(
        _WORDS,
        # A quote that is never closed hides the rest of the line: the closing one may have been cut off.
        rf"(?i)({KEYWORD}\\?[\"']?\s{{0,8}}(?:=>|:=|%3d|:(?!=)|=(?!>))\s{{0,8}}){KEPT}{_QUOTED}",
        r"\1***",
    ),
    Rule(("pass",), rf"(?i)(\b(?:password|passphrase) )({KEPT}'[^'\n]+'|\"[^\"\n]+\")", r"\1***"),
    Rule(("uid=",), rf"(?i)\b(uid=){KEPT}[^\s,;&}}\"']+", r"\1***"),
    # Rows of users, which databases quote.
    Rule(("key (",), r"Key \([^)]{0,200}\)=(?! ?\*\*\*) ?\([^\n]*?(?:\)(?= (?:already|is|conflicts|would))|$)", "***ROW***"),
    Rule(("duplicate entry",), r"(?i)(Duplicate entry )'(?:[^'\n\\]|\\.|'')*'?", r"\1***"),
    Rule(("duplicate key value is",), r"(?i)(duplicate key value is )\([^\n]*", r"\1(***)"),
    Rule(("values",), r"(?i)(\b(?:insert|replace)\b[^\n]{0,1000}?\bvalues\s{0,4})\((?!\*\*\*)[^\n]*", r"\1(***)"),
    Rule(("parameter", "binds"), r"(?i)(\b(?:parameters: |binding parameter |with binds: ))(?!\*\*\*)[^\n]*", r"\1***"),
    Rule(("copy ",), r"(\bCOPY \w{1,63}, line \d{1,12}(?:, column \w{1,63})?: )(?!\*\*\*)[^\n]*", r"\1***"),
    Rule(("@",), r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}\b", "***EMAIL***"),
)  # fmt: skip
