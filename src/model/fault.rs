//! Why a request did not succeed: eight faults that every face translates, and
//! below them a closed list of reasons with stable codes and texts in English
//! and Chinese.
//!
//! A face turns the [`Fault`] into its own code; it shows the [`Refusal`] as it
//! is. Codes are part of the API: one may be added, none renamed.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::model::limits::SHOWN_CHARS_MAX;

/// Why a request did not succeed, in words every face can translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request itself breaks a rule; repeating it cannot help.
    Invalid,
    /// The caller proved no identity, and the request needs one.
    Unauthenticated,
    /// The caller is known and may not, or the subject is barred.
    Denied,
    /// The subject is not there.
    Missing,
    /// The subject's state contradicts the request.
    Conflict,
    /// A quota or a resource is used up.
    Exhausted,
    /// The node cannot serve it at the moment; repeating it can help.
    Unavailable,
    /// The node is at fault. Details go to its log, never outside.
    Broken,
}

/// The language of a text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, `en`.
    English,
    /// Simplified Chinese, `zh-CN`.
    Chinese,
}

/// One row a reason: variant, code, fault, English, Chinese. `{value}`,
/// `{field}`, `{limit}`, `{left}` and `{wait}` stand for the refusal's own.
macro_rules! reasons {
    ($($variant:ident $code:literal $fault:ident $english:literal $chinese:literal;)*) => {
        /// A stable reason, as it appears in `google.rpc.ErrorInfo.reason`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: `", $english, "`")] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of its declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable code, UPPER_SNAKE_CASE.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The fault that a face translates into its own code.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$variant => Fault::$fault,)* }
            }

            /// The text with its placeholders.
            pub const fn template(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, Language::English) => $english,
                      (Self::$variant, Language::Chinese) => $chinese,)*
                }
            }
        }
    };
}

reasons! {
    IdentifierEmpty "IDENTIFIER_EMPTY" Invalid
        "the identifier is empty" "标识为空";
    IdentifierTooLong "IDENTIFIER_TOO_LONG" Invalid
        "identifier {value} is longer than {limit} bytes" "标识 {value} 超过 {limit} 字节上限";
    IdentifierNotUtf8 "IDENTIFIER_NOT_UTF8" Invalid
        "identifier {value} is not UTF-8" "标识 {value} 不是 UTF-8 编码";
    IdentifierSyntax "IDENTIFIER_SYNTAX" Invalid
        "identifier {value} is not of the form prefix/suffix" "标识 {value} 不符合“前缀/后缀”格式";
    PrefixSyntax "PREFIX_SYNTAX" Invalid
        "prefix {value} must be 1 to {limit} characters: segments of letters, digits and \"-\", separated by dots"
        "前缀 {value} 须为 1 至 {limit} 个字符，由字母、数字、“-”组成并以“.”分段";
    NationalPrefixSyntax "NATIONAL_PREFIX_SYNTAX" Invalid
        "national prefix {value} must be 86 or 88, a node of 1 to {limit} digits and an enterprise, all digits"
        "国家前缀 {value} 须为 86 或 88、1 至 {limit} 位节点号与企业号，均为数字";
    SuffixEmpty "SUFFIX_EMPTY" Invalid
        "identifier {value} has no suffix" "标识 {value} 缺少后缀";
    TypeInvalid "TYPE_INVALID" Invalid
        "value type {value} must be 1 to {limit} bytes without spaces or control characters"
        "值类型 {value} 须为 1 至 {limit} 字节，且不含空白或控制字符";
    TypeUnknown "TYPE_UNKNOWN" Invalid
        "value type {value} is unknown: names that begin with HS_ are reserved by the Handle System"
        "未知的值类型 {value}：以 HS_ 开头的名称由 Handle 系统保留";
    IndexZero "INDEX_ZERO" Invalid
        "value index 0 is not allowed; indices begin at 1" "值索引不能为 0，须从 1 开始";
    IndexDuplicate "INDEX_DUPLICATE" Invalid
        "value index {value} occurs more than once" "值索引 {value} 重复";
    IndexReserved "INDEX_RESERVED" Invalid
        "value index {value} is reserved for {limit}" "值索引 {value} 保留用于 {limit}";
    IndexExists "INDEX_EXISTS" Conflict
        "the record already has a value at index {value}" "记录中已存在索引 {value} 的值";
    IndexMissing "INDEX_MISSING" Missing
        "the record has no value at index {value}" "记录中不存在索引 {value} 的值";
    ValueTooLong "VALUE_TOO_LONG" Invalid
        "the data of value {value} is longer than {limit} bytes" "值 {value} 的数据超过 {limit} 字节上限";
    ValueDataInvalid "VALUE_DATA_INVALID" Invalid
        "the data is no {value}: {limit}" "数据不是有效的 {value}：{limit}";
    ValueSecretPublic "VALUE_SECRET_PUBLIC" Invalid
        "value {value} is an {limit}, a secret that only administrators may be allowed to read"
        "值 {value} 的类型为 {limit}，属于密钥，只得允许管理员读取";
    ValuesTooMany "VALUES_TOO_MANY" Invalid
        "the record has {value} values; the limit is {limit}" "记录含 {value} 个值，超过上限 {limit}";
    ValuesEmpty "VALUES_EMPTY" Invalid
        "at least one value is needed" "至少需要一个值";
    ReadersTooMany "READERS_TOO_MANY" Invalid
        "{value} firms and groups may read; the limit is {limit}" "可读的企业与企业组共 {value} 个，超过上限 {limit}";
    RecordTooLarge "RECORD_TOO_LARGE" Invalid
        "the record has {value} bytes; the limit is {limit}" "记录共 {value} 字节，超过上限 {limit}";
    ReferencesTooMany "REFERENCES_TOO_MANY" Invalid
        "value {value} has more than {limit} references" "值 {value} 的引用超过 {limit} 个";
    TtlOutOfRange "TTL_OUT_OF_RANGE" Invalid
        "time to live {value} is above {limit} seconds" "生存时间 {value} 超过 {limit} 秒上限";
    RecordNotFound "RECORD_NOT_FOUND" Missing
        "identifier {value} is not registered" "标识 {value} 未注册";
    RecordExists "RECORD_EXISTS" Conflict
        "identifier {value} is already registered" "标识 {value} 已注册";
    RecordDeleted "RECORD_DELETED" Conflict
        "identifier {value} was deleted; its name is given out again only with reuse_deleted"
        "标识 {value} 已被删除；仅在指定 reuse_deleted 时可重新启用";
    StaleEtag "STALE_ETAG" Conflict
        "etag {value} is stale; the current one is {limit}" "etag {value} 已过期，当前为 {limit}";
    EtagInvalid "ETAG_INVALID" Invalid
        "etag {value} is not one that this node gave out" "etag {value} 不是本节点签发的";
    RequestIdInvalid "REQUEST_ID_INVALID" Invalid
        "request id {value} must be 1 to {limit} visible ASCII characters"
        "请求编号 {value} 须为 1 至 {limit} 个可见 ASCII 字符";
    RequestIdReused "REQUEST_ID_REUSED" Conflict
        "request id {value} was used for another request" "请求编号 {value} 已用于另一请求";
    PrefixNotHomed "PREFIX_NOT_HOMED" Missing
        "prefix {value} is not homed on this node" "前缀 {value} 不由本节点托管";
    PrefixExists "PREFIX_EXISTS" Conflict
        "prefix {value} is already registered" "前缀 {value} 已注册";
    PrefixSuspended "PREFIX_SUSPENDED" Denied
        "prefix {value} is suspended" "前缀 {value} 已被暂停";
    PrefixState "PREFIX_STATE" Conflict
        "prefix {value} is {limit}, which does not allow this" "前缀 {value} 当前为 {limit}，不允许此操作";
    PrefixNotEmpty "PREFIX_NOT_EMPTY" Conflict
        "prefix {value} has {limit} identifiers" "前缀 {value} 下仍有 {limit} 个标识";
    FirmNameInvalid "FIRM_NAME_INVALID" Invalid
        "firm name {value} must be 1 to {limit} characters without control characters"
        "企业名称 {value} 须为 1 至 {limit} 个字符且不含控制字符";
    FirmState "FIRM_STATE" Conflict
        "firm {value} is {limit}, which does not allow this" "企业 {value} 当前为 {limit}，不允许此操作";
    FirmIncomplete "FIRM_INCOMPLETE" Conflict
        "firm {value} lacks what its application needs: {limit}" "企业 {value} 的申请材料不完整，缺少：{limit}";
    ApplicationsTooMany "APPLICATIONS_TOO_MANY" Exhausted
        "{limit} applications wait already; try again when some were looked at" "待处理的申请已达 {limit} 份，请待部分处理后再试";
    TextInvalid "TEXT_INVALID" Invalid
        "{field} must be one line of 1 to {limit} characters that show" "{field} 须为 1 至 {limit} 个可见字符的单行文本";
    CreditCodeSyntax "CREDIT_CODE_SYNTAX" Invalid
        "unified social credit code {value} must be {limit} characters as GB 32100-2015 says"
        "统一社会信用代码 {value} 须为符合 GB 32100-2015 的 {limit} 位字符";
    CreditCodeCheck "CREDIT_CODE_CHECK" Invalid
        "unified social credit code {value} has a wrong character: by the others the last must be {limit}"
        "统一社会信用代码 {value} 有误：按其余字符，校验码应为 {limit}";
    CreditCodeTaken "CREDIT_CODE_TAKEN" Conflict
        "another firm has the unified social credit code {value}: {limit}" "统一社会信用代码 {value} 已属于另一企业：{limit}";
    RegionUnknown "REGION_UNKNOWN" Invalid
        "region {value} is no division of GB/T 2260: six digits as 330382" "行政区划代码 {value} 不在 GB/T 2260 中，应为六位数字，如 330382";
    IndustryUnknown "INDUSTRY_UNKNOWN" Invalid
        "industry {value} is no class of GB/T 4754-2017: a letter and up to four digits, as C3823"
        "行业代码 {value} 不在 GB/T 4754-2017 中，应为字母加至多四位数字，如 C3823";
    PhoneInvalid "PHONE_INVALID" Invalid
        "{field} must be a telephone number of 5 to {limit} digits" "{field} 须为 5 至 {limit} 位数字的电话号码";
    EmailInvalid "EMAIL_INVALID" Invalid
        "{field} must be an e-mail address of at most {limit} characters" "{field} 须为至多 {limit} 个字符的电子邮箱地址";
    CitizenNumberInvalid "CITIZEN_NUMBER_INVALID" Invalid
        "{field} must be a citizen number of 18 characters whose check character is right" "{field} 须为校验码正确的 18 位公民身份号码";
    ServersTooMany "SERVERS_TOO_MANY" Invalid
        "the firm has {value} servers; the limit is {limit}" "企业服务器有 {value} 台，超过上限 {limit}";
    ServerInvalid "SERVER_INVALID" Invalid
        "server {value} cannot be told to clients: {limit}" "无法向客户端公布服务器 {value}：{limit}";
    DocumentNotFound "DOCUMENT_NOT_FOUND" Missing
        "the firm has no document {value}" "企业没有编号为 {value} 的文件";
    DocumentTypeInvalid "DOCUMENT_TYPE_INVALID" Invalid
        "the document has none of the forms {limit}" "文件格式须为 {limit} 之一";
    DocumentTooLarge "DOCUMENT_TOO_LARGE" Invalid
        "the document has {value} bytes; the limit is {limit}" "文件共 {value} 字节，超过上限 {limit}";
    DocumentsTooMany "DOCUMENTS_TOO_MANY" Conflict
        "the firm has {limit} documents already" "企业的文件已达 {limit} 份";
    PersonalErased "PERSONAL_ERASED" Missing
        "the personal data of firm {value} was erased" "企业 {value} 的个人信息已被删除";
    SealUnreadable "SEAL_UNREADABLE" Broken
        "the personal data of {value} cannot be opened: the node has another key, or it is damaged"
        "无法解密 {value} 的个人信息：节点密钥不符或数据已损坏";
    NoteTooLong "NOTE_TOO_LONG" Invalid
        "the text is longer than {limit} characters" "文本超过 {limit} 个字符";
    QuotaExceeded "QUOTA_EXCEEDED" Exhausted
        "prefix {value} has used its quota of {limit} identifiers" "前缀 {value} 已用完 {limit} 个标识的配额";
    RateLimited "RATE_LIMITED" Exhausted
        "{value} may make {limit} requests a second and has {left} left; try again in {wait}"
        "{value} 每秒最多 {limit} 次请求，当前剩余 {left} 次，请在 {wait} 后重试";
    IdInvalid "ID_INVALID" Invalid
        "{field} id {value} must be 1 to {limit} lower-case letters, digits and \"-\""
        "{field} 编号 {value} 须为 1 至 {limit} 个小写字母、数字或“-”";
    FirmNotFound "FIRM_NOT_FOUND" Missing
        "firm {value} does not exist" "企业 {value} 不存在";
    PrincipalExists "PRINCIPAL_EXISTS" Conflict
        "principal {value} exists already" "主体 {value} 已存在";
    PrincipalState "PRINCIPAL_STATE" Conflict
        "principal {value} is {limit}, which does not allow this" "主体 {value} 当前为 {limit}，不允许此操作";
    PrincipalKind "PRINCIPAL_KIND" Invalid
        "principal {value} is no {limit}" "主体 {value} 的类型不是 {limit}";
    PrincipalsTooMany "PRINCIPALS_TOO_MANY" Exhausted
        "there are {limit} principals already, the limit" "主体数量已达上限 {limit}";
    LabelInvalid "LABEL_INVALID" Invalid
        "name {value} must be 1 to {limit} characters, no control characters, and no spaces at its ends"
        "名称 {value} 须为 1 至 {limit} 个字符，不含控制字符，首尾不得为空格";
    LoginNameInvalid "LOGIN_NAME_INVALID" Invalid
        "login name {value} must be 1 to {limit} letters, digits, dots, underscores and hyphens"
        "登录名 {value} 须为 1 至 {limit} 个字母、数字、“.”、“_”或“-”";
    LoginNameTaken "LOGIN_NAME_TAKEN" Conflict
        "login name {value} is taken" "登录名 {value} 已被使用";
    LastAdministrator "LAST_ADMINISTRATOR" Conflict
        "principal {value} is the last security administrator, without whom nobody could make another"
        "主体 {value} 是最后一名安全管理员，停用后将无人可再指派";
    ScopeExceeded "SCOPE_EXCEEDED" Denied
        "the caller is confined, and would allow more than it may itself: {limit}"
        "调用方自身权限受限，不得授予超出自身的范围：{limit}";
    CertificateInvalid "CERTIFICATE_INVALID" Invalid
        "the certificate cannot be taken: {limit}" "无法接受该证书：{limit}";
    PasswordWeak "PASSWORD_WEAK" Invalid
        "the password must be new, {limit} to 128 characters of three kinds among lower case, upper case, digits and others, six of them different, without the name in it"
        "密码须为新密码，{limit} 至 128 个字符，至少包含小写、大写、数字、其他字符中的三类，至少六个不同字符，且不含登录名";
    PasswordFirst "PASSWORD_FIRST" Denied
        "the password is a first one, good only to be replaced: sign in with a new password beside it"
        "该密码为初始密码，须在登录时同时设置新密码";
    SignInFailed "SIGN_IN_FAILED" Unauthenticated
        "the login, the password or the one-time code is wrong, or was tried too often of late"
        "登录名、密码或动态口令错误，或近期尝试次数过多";
    SignInLocked "SIGN_IN_LOCKED" Exhausted
        "too many sign-ins failed from this address; try again in {limit} seconds"
        "该地址登录失败次数过多，请在 {limit} 秒后重试";
    PrincipalNotFound "PRINCIPAL_NOT_FOUND" Missing
        "principal {value} does not exist" "主体 {value} 不存在";
    GroupExists "GROUP_EXISTS" Conflict
        "group {value} exists already" "企业组 {value} 已存在";
    GroupNotFound "GROUP_NOT_FOUND" Missing
        "group {value} does not exist" "企业组 {value} 不存在";
    ShareNotFound "SHARE_NOT_FOUND" Missing
        "share {value} does not exist" "共享链接 {value} 不存在";
    ShareExists "SHARE_EXISTS" Conflict
        "share {value} exists already" "共享链接 {value} 已存在";
    LinkNotFound "LINK_NOT_FOUND" Missing
        "link {value} is not stated" "链接 {value} 未声明";
    LinkExists "LINK_EXISTS" Conflict
        "link {value} is stated already" "链接 {value} 已声明";
    LinkToItself "LINK_TO_ITSELF" Invalid
        "identifier {value} cannot be linked to itself" "标识 {value} 不能链接到自身";
    LinkStateConflict "LINK_STATE_CONFLICT" Conflict
        "link {value} is {limit}" "链接 {value} 的状态为 {limit}";
    LinksFull "LINKS_FULL" Exhausted
        "no more than {limit} {field} can be kept" "最多可保存 {limit} 个 {field}";
    TraceBranches "TRACE_BRANCHES" Exhausted
        "no further branch is followed: a trace follows {limit}" "不再追溯更多分支：一次追溯最多 {limit} 个";
    TraceHops "TRACE_HOPS" Exhausted
        "no further node is asked: {limit} allows none" "不再询问其他节点：已达 {limit}";
    OtherNodeFailed "OTHER_NODE_FAILED" Unavailable
        "node {value} cannot be asked: {limit}" "无法询问节点 {value}：{limit}";
    TooManyOwned "TOO_MANY_OWNED" Exhausted
        "firm {value} has {limit} {field} already, which is the limit" "企业 {value} 的 {field} 已达上限 {limit} 个";
    BatchTooLarge "BATCH_TOO_LARGE" Invalid
        "the batch has {value} items; the limit is {limit}" "批量请求含 {value} 项，超过上限 {limit}";
    BatchEmpty "BATCH_EMPTY" Invalid
        "the batch has no items" "批量请求为空";
    PageSizeInvalid "PAGE_SIZE_INVALID" Invalid
        "page size {value} is negative" "分页大小 {value} 为负数";
    PageTokenInvalid "PAGE_TOKEN_INVALID" Invalid
        "the page token is malformed or belongs to another query" "分页令牌无效或属于其他查询";
    FieldMaskInvalid "FIELD_MASK_INVALID" Invalid
        "update mask path {value} is unknown; the paths are {limit}" "更新掩码路径 {value} 未知，可用路径为 {limit}";
    FieldRequired "FIELD_REQUIRED" Invalid
        "{field} is required" "缺少 {field}";
    FieldInvalid "FIELD_INVALID" Invalid
        "{field} {value} is invalid: {limit}" "{field} 的值 {value} 无效：{limit}";
    KeyRequired "KEY_REQUIRED" Unauthenticated
        "a key or a session is required: authorization: Bearer <key>" "需要密钥或会话：authorization: Bearer <密钥>";
    KeyInvalid "KEY_INVALID" Unauthenticated
        "the key, session or certificate is unknown, ended, expired or revoked, or may not be used from here"
        "密钥、会话或证书未知、已结束、已过期、已吊销，或不得从此处使用";
    IdentityUnknown "IDENTITY_UNKNOWN" Unauthenticated
        "identity {value} is not kept on this node" "身份 {value} 不在本节点";
    AuthenticationFailed "AUTHENTICATION_FAILED" Unauthenticated
        "the identity is unknown or its key does not match" "身份未知或密钥不符";
    NotAdmin "NOT_ADMIN" Denied
        "no HS_ADMIN of {limit} names the caller {value}" "{limit} 的 HS_ADMIN 均未授权调用方 {value}";
    PermissionDenied "PERMISSION_DENIED" Denied
        "the caller may not do this: {limit}" "调用方无权执行此操作：{limit}";
    MessageTooLarge "MESSAGE_TOO_LARGE" Exhausted
        "the message is larger than {limit} bytes" "消息超过 {limit} 字节上限";
    DeadlineExceeded "DEADLINE_EXCEEDED" Unavailable
        "the deadline passed before the answer was ready" "在截止时间前未能完成";
    Overloaded "OVERLOADED" Unavailable
        "the node has {limit} requests waiting; try again shortly" "节点已有 {limit} 个请求在排队，请稍后重试";
    ShuttingDown "SHUTTING_DOWN" Unavailable
        "the node is shutting down" "节点正在关闭";
    DiskFull "DISK_FULL" Exhausted
        "the node's disk is full: writes fail until space is free, reads go on" "节点磁盘已满：释放空间前无法写入，读取不受影响";
    StoreUnavailable "STORE_UNAVAILABLE" Unavailable
        "the store accepts no writes at the moment" "存储暂时无法写入";
    BackupNotFound "BACKUP_NOT_FOUND" Missing
        "backup {value} does not exist" "备份 {value} 不存在";
    BackupExists "BACKUP_EXISTS" Conflict
        "backup {value} already exists" "备份 {value} 已存在";
    BackupNameInvalid "BACKUP_NAME_INVALID" Invalid
        "backup name {value} must be 1 to {limit} lower-case letters, digits and \"-\""
        "备份名称 {value} 须为 1 至 {limit} 个小写字母、数字或“-”";
    BackupCorrupt "BACKUP_CORRUPT" Conflict
        "backup {value} fails verification: {limit}" "备份 {value} 校验失败：{limit}";
    OperationNotFound "OPERATION_NOT_FOUND" Missing
        "operation {value} does not exist" "操作 {value} 不存在";
    RecordUnprovable "RECORD_UNPROVABLE" Conflict
        "change {value} was made before the log had proofs; change the record to have it proven"
        "变更 {value} 早于日志证明功能，修改该记录后方可证明";
    LogRangeInvalid "LOG_RANGE_INVALID" Invalid
        "{field} {value} is not within the {limit} changes of the log" "{field} 的值 {value} 不在日志的 {limit} 项变更之内";
    TemplateNotFound "TEMPLATE_NOT_FOUND" Missing
        "template {value} does not exist" "模板 {value} 不存在";
    TemplateExists "TEMPLATE_EXISTS" Conflict
        "template {value} exists already" "模板 {value} 已存在";
    TemplateUnknown "TEMPLATE_UNKNOWN" Invalid
        "no template {value} is there for records under prefix {limit}" "前缀 {limit} 下的标识没有可用的模板 {value}";
    TemplateVersionUnknown "TEMPLATE_VERSION_UNKNOWN" Invalid
        "template {limit} has no version {value}" "模板 {limit} 没有版本 {value}";
    TemplateVersionAlone "TEMPLATE_VERSION_ALONE" Invalid
        "a version of a template at index 1001 needs the template at index 1000" "索引 1001 的模板版本须有索引 1000 的模板";
    TemplateUnchanged "TEMPLATE_UNCHANGED" Conflict
        "the new version says the same as version {value}" "新版本与版本 {value} 内容相同";
    TemplatesTooMany "TEMPLATES_TOO_MANY" Exhausted
        "{value} has {limit} templates, the most there may be" "{value} 的模板已达上限 {limit} 个";
    VersionsTooMany "VERSIONS_TOO_MANY" Exhausted
        "template {value} has {limit} versions, the most there may be" "模板 {value} 的版本已达上限 {limit} 个";
    VersionsTooLarge "VERSIONS_TOO_LARGE" Exhausted
        "the versions of template {value} take more than {limit} bytes" "模板 {value} 的各版本超过 {limit} 字节上限";
    TemplateFaults "TEMPLATE_FAULTS" Invalid
        "{value} faults, each of them listed" "共有 {value} 处错误，已逐一列出";
    ItemUnknown "ITEM_UNKNOWN" Invalid
        "index {value} is no item of the template" "索引 {value} 不是模板的数据项";
    ItemNameUnknown "ITEM_NAME_UNKNOWN" Invalid
        "{value} is no item of the template" "{value} 不是模板的数据项";
    ItemDisabled "ITEM_DISABLED" Invalid
        "item {limit} at index {value} is disabled: records that have it keep it as it is"
        "索引 {value} 的数据项 {limit} 已停用：已有该项的记录保持不变";
    ItemMissing "ITEM_MISSING" Invalid
        "item {value} at index {limit} is required" "缺少必填数据项 {value}（索引 {limit}）";
    ItemTypeWrong "ITEM_TYPE_WRONG" Invalid
        "the value at index {value} must have the type {limit}" "索引 {value} 的值类型须为 {limit}";
    ItemForm "ITEM_FORM" Invalid
        "value {value} does not fit item {limit}" "值 {value} 不符合数据项 {limit}";
    ItemLength "ITEM_LENGTH" Invalid
        "value {value} has too few or too many characters for item {limit}" "值 {value} 的字符数不符合数据项 {limit}";
    ItemOutOfRange "ITEM_OUT_OF_RANGE" Invalid
        "value {value} is out of the range of item {limit}" "值 {value} 超出数据项的范围 {limit}";
    ItemPattern "ITEM_PATTERN" Invalid
        "value {value} does not match the pattern of item {limit}" "值 {value} 不符合数据项的格式 {limit}";
    ItemCodeUnknown "ITEM_CODE_UNKNOWN" Invalid
        "value {value} is no code of item {limit}" "值 {value} 不在数据项的代码表中 {limit}";
    ItemCount "ITEM_COUNT" Invalid
        "value {value} has too few or too many elements for item {limit}" "值 {value} 的元素个数不符合数据项 {limit}";
    ItemNotUnique "ITEM_NOT_UNIQUE" Conflict
        "another identifier under the prefix has value {value} of item {limit}" "该前缀下已有标识使用数据项 {limit} 的值 {value}";
    ItemGone "ITEM_GONE" Invalid
        "item {value} at index {limit} of the version before is missing: items are disabled, never deleted"
        "缺少上一版本的数据项 {value}（索引 {limit}）：数据项只能停用，不能删除";
    ItemChanged "ITEM_CHANGED" Invalid
        "the {limit} of item {value} may not change" "数据项 {value} 的 {limit} 不可更改";
    Internal "INTERNAL" Broken
        "the node failed; its log says more under this request's id" "节点内部错误，详见日志";
}

/// One refusal: the reason, and what it is about.
///
/// Display is the English text, for the caller: it names the offending value
/// (cut to [`SHOWN_CHARS_MAX`] characters, control characters escaped) and the
/// limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    field: Cow<'static, str>,
    value: String,
    limit: String,
    remaining: Option<Box<Remaining>>,
    faults: Vec<Self>,
}

/// What is left of a quota that is used up or nearly so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// How many may be asked for still.
    pub left: u64,
    /// When as many as were asked for may be; `None` if time alone brings nothing.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal for `reason` that names nothing further.
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            field: Cow::Borrowed(""),
            value: String::new(),
            limit: String::new(),
            remaining: None,
            faults: Vec::new(),
        }
    }

    /// Names the field of the request, as `values[3].index`.
    #[must_use]
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = field.into();
        self
    }

    /// Puts `outer` before the field: `values` becomes `requests[7].values`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let joined = if self.field.is_empty() {
            outer.to_owned()
        } else {
            format!("{outer}.{}", self.field)
        };
        self.field = Cow::Owned(joined);
        let inner = std::mem::take(&mut self.faults).into_iter();
        self.faults = inner.map(|fault| fault.within(outer)).collect();
        self
    }

    /// Names the offending value; control characters are escaped, the rest is
    /// cut to [`SHOWN_CHARS_MAX`] characters.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        self.value = shown(&value.to_string());
        self
    }

    /// Names the limit, or what the rule asks for.
    #[must_use]
    pub fn limit(mut self, limit: impl fmt::Display) -> Self {
        self.limit = limit.to_string();
        self
    }

    /// Tells what is left of the quota, and when there will be more.
    #[must_use]
    pub fn remaining(mut self, left: u64, retry_after: Option<Duration>) -> Self {
        self.remaining = Some(Box::new(Remaining { left, retry_after }));
        self
    }

    /// Lists the faults of which it is the sum.
    #[must_use]
    pub fn faults(mut self, faults: Vec<Self>) -> Self {
        self.faults = faults;
        self
    }

    /// The faults of which it is the sum; empty if it is the only one.
    pub fn each_fault(&self) -> &[Self] {
        &self.faults
    }

    /// The stable reason.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The fault of the reason.
    pub const fn fault(&self) -> Fault {
        self.reason.fault()
    }

    /// The field of the request that it is about; empty if none.
    pub fn field_path(&self) -> &str {
        &self.field
    }

    /// The offending value as it is shown; empty if none.
    pub fn shown_value(&self) -> &str {
        &self.value
    }

    /// The limit or rule; empty if none.
    pub fn shown_limit(&self) -> &str {
        &self.limit
    }

    /// What is left of the quota; `None` if the refusal is about none.
    pub fn shown_remaining(&self) -> Option<Remaining> {
        self.remaining.as_deref().copied()
    }

    /// The text in `language`.
    pub fn text(&self, language: Language) -> String {
        let quoted = format!("\"{}\"", self.value);
        let numeric = !self.value.is_empty() && self.value.bytes().all(|b| b.is_ascii_digit());
        let value = if numeric { &self.value } else { &quoted };
        let mut text = String::with_capacity(96);
        let mut rest = self.reason.template(language);
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                break;
            };
            match name {
                "value" => text.push_str(value),
                "field" => text.push_str(&self.field),
                "left" => text.push_str(&self.left().to_string()),
                "wait" => text.push_str(&self.wait()),
                _ => text.push_str(&self.limit),
            }
            rest = behind;
        }
        text.push_str(rest);
        text
    }

    fn left(&self) -> u64 {
        self.remaining
            .as_ref()
            .map_or(0, |remaining| remaining.left)
    }

    /// How long to wait, rounded up, as `250 ms` or `3 s`.
    fn wait(&self) -> String {
        let remaining = self.remaining.as_ref();
        let wait = remaining.and_then(|remaining| remaining.retry_after);
        let millis = wait.unwrap_or_default().as_micros().div_ceil(1000);
        if millis < 1000 {
            format!("{millis} ms")
        } else {
            format!("{} s", millis.div_ceil(1000))
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Language::English))
    }
}

impl std::error::Error for Refusal {}

/// `text` fit to be shown: escaped where it could move a terminal's cursor.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        if character.is_control() || ('\u{202a}'..='\u{202e}').contains(&character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_code_and_both_texts() {
        let mut codes = HashSet::new();
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(codes.insert(code), "{code} twice");
            assert!(
                code.len() <= 63
                    && code
                        .bytes()
                        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            );
            let english = reason.template(Language::English);
            let chinese = reason.template(Language::Chinese);
            assert!(english.is_ascii() && !english.ends_with('.'), "{english}");
            assert!(!chinese.is_ascii(), "{chinese}");
            for name in ["{value}", "{limit}", "{field}", "{left}", "{wait}"] {
                assert_eq!(
                    english.contains(name),
                    chinese.contains(name),
                    "{code}: {name}"
                );
            }
        }
    }

    #[test]
    fn names_the_value_and_the_limit() {
        let refusal = Refusal::new(Reason::IdentifierTooLong)
            .value("88.1/\u{7}x")
            .limit(2048);
        assert_eq!(
            refusal.to_string(),
            "identifier \"88.1/\\u{7}x\" is longer than 2048 bytes"
        );
        assert_eq!(
            refusal.text(Language::Chinese),
            "标识 \"88.1/\\u{7}x\" 超过 2048 字节上限"
        );
        let cut = Refusal::new(Reason::RecordNotFound).value("长".repeat(500));
        assert_eq!(cut.shown_value().chars().count(), SHOWN_CHARS_MAX + 1);
    }

    #[test]
    fn tells_what_is_left_and_when_to_come_back() {
        let check = |wait: Duration, expected: &str| {
            let refusal = Refusal::new(Reason::RateLimited)
                .value("firms/mingfeng")
                .limit(2000)
                .remaining(17, Some(wait));
            assert_eq!(
                refusal.to_string(),
                format!(
                    "\"firms/mingfeng\" may make 2000 requests a second and has 17 left; try again in {expected}"
                )
            );
        };
        check(Duration::from_micros(1), "1 ms");
        check(Duration::from_millis(250), "250 ms");
        check(Duration::from_millis(1001), "2 s");
        assert_eq!(Refusal::new(Reason::RecordExists).shown_remaining(), None);
    }

    #[test]
    fn puts_the_outer_field_first() {
        let refusal = Refusal::new(Reason::IndexZero)
            .field("index")
            .within("values[3]")
            .within("requests[7]");
        assert_eq!(refusal.field_path(), "requests[7].values[3].index");
    }
}
