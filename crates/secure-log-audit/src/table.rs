//! The table of actions.

/// Hands the table of actions to a macro: for whoever has types of their own for each action, as the bindings of a component.
///
/// Of each action it has the description, the word, the category, the severities of success, failure and denial, and the members.
/// A severity stands here and nowhere else; docs/audit.md and wit/audit/actions.wit are compared with it.
///
/// ```
/// macro_rules! count {
///     ($(
///         #[doc = $description:literal]
///         $action:ident = $word:literal, $category:ident, $success:ident $failure:ident $denied:ident {
///             $(#[doc = $says:literal] $member:ident: $type:ty,)*
///         }
///     )*) => {
///         [$($word,)*].len()
///     };
/// }
/// assert_eq!(secure_log_audit::for_actions!(count), secure_log_audit::ActionKind::ALL.len());
/// ```
#[macro_export]
macro_rules! for_actions {
    ($then:ident) => {
        $then! {
            /// A tool of an MCP server is called.
            McpToolCall = "mcp-tool-call", Activity, Info Error Warning {
                /// The server, such as `files`.
                server: String,
                /// The tool, such as `read_text`.
                tool: String,
                /// What the tool is given: `{"path":"/etc/hosts"}`, concealed.
                arguments: Option<Concealed>,
                /// What the tool answers, concealed.
                result: Option<Concealed>,
            }

            /// A tool of a plugin is called.
            PluginToolCall = "plugin-tool-call", Activity, Info Error Warning {
                /// The plugin, such as `calendar`.
                plugin: String,
                /// The tool, such as `add_meeting`.
                tool: String,
                /// What the tool is given, concealed.
                arguments: Option<Concealed>,
                /// What the tool answers, concealed.
                result: Option<Concealed>,
            }

            /// A resource of an MCP server is read.
            McpResourceRead = "mcp-resource-read", Activity, Info Error Warning {
                /// The server, such as `wiki`.
                server: String,
                /// The resource, such as `wiki://page/12`.
                uri: String,
                /// What was read, concealed.
                content: Option<Concealed>,
            }

            /// A prompt is fetched from an MCP server.
            PromptRetrieval = "prompt-retrieval", Activity, Info Error Warning {
                /// The server, such as `wiki`.
                server: String,
                /// The prompt, such as `review`.
                prompt: String,
                /// What it is filled in with, concealed.
                arguments: Option<Concealed>,
            }

            /// A server has a user asked for something.
            Elicitation = "elicitation", Activity, Info Error Warning {
                /// The server, such as `payments`.
                server: String,
                /// What the user is asked, concealed.
                message: Option<Concealed>,
                /// What the user answers, concealed.
                answer: Option<Concealed>,
            }

            /// A server has a user sent to an address.
            UrlElicitation = "url-elicitation", Security, Notice Error Warning {
                /// The server, such as `payments`.
                server: String,
                /// The address, such as `https://pay.example.org/confirm`.
                url: String,
            }

            /// A server has the model of its client asked.
            Sampling = "sampling", Activity, Info Error Warning {
                /// The server, such as `wiki`.
                server: String,
                /// The model that answers, such as `small-3`.
                model: Option<String>,
                /// What the model is asked, concealed.
                prompt: Option<Concealed>,
                /// What the model answers, concealed.
                completion: Option<Concealed>,
            }

            /// A file is read.
            FileRead = "file-read", Activity, Info Error Warning {
                /// The file, such as `/srv/report.txt`.
                path: String,
                /// What was read, concealed.
                content: Option<Concealed>,
            }

            /// A file is written.
            FileWrite = "file-write", Activity, Notice Error Warning {
                /// The file, such as `/srv/report.txt`.
                path: String,
                /// What was written, concealed.
                content: Option<Concealed>,
                /// How many bytes, such as `4096`.
                bytes: Option<u64>,
            }

            /// A file is deleted.
            FileDelete = "file-delete", Activity, Notice Error Warning {
                /// The file, such as `/srv/report.txt`.
                path: String,
            }

            /// A capability is made.
            CapabilityCreated = "capability-created", Security, Notice Error Warning {
                /// The id of its token, such as `cap-7`.
                capability: String,
                /// Who may use it, such as `agent-7`.
                holder: String,
                /// What it allows, such as `read /srv`.
                allows: String,
            }

            /// A capability is taken back.
            CapabilityRevoked = "capability-revoked", Security, Notice Error Warning {
                /// The id of its token, such as `cap-7`.
                capability: String,
                /// Why, such as `the task is done`.
                reason: Option<String>,
            }

            /// A user is asked to approve something.
            ApprovalRequested = "approval-requested", Security, Info Error Warning {
                /// The id of the approval, such as `ask-12`.
                approval: String,
                /// What is to be approved, such as `delete /srv/report.txt`.
                request: String,
            }

            /// A user approves what they were asked for.
            ApprovalGranted = "approval-granted", Security, Notice Error Warning {
                /// The id of the approval, such as `ask-12`.
                approval: String,
                /// How far it reaches, such as `once`.
                scope: Option<String>,
            }

            /// A user does not approve what they were asked for.
            ApprovalDenied = "approval-denied", Security, Notice Error Warning {
                /// The id of the approval, such as `ask-12`.
                approval: String,
                /// Why, such as `not this file`.
                reason: Option<String>,
            }

            /// A session begins.
            SessionStarted = "session-started", Activity, Info Error Warning {
                /// What begins it, such as `desktop 4.1`.
                client: Option<String>,
            }

            /// A session ends.
            SessionEnded = "session-ended", Activity, Info Error Warning {
                /// Why, such as `the user left`.
                reason: Option<String>,
            }

            /// The context of a model is made shorter.
            ContextSummarised = "context-summarised", Activity, Info Error Warning {
                /// How many messages were replaced, such as `40`.
                messages: u64,
                /// What replaces them, concealed.
                summary: Option<Concealed>,
            }

            /// A model is asked.
            ModelRequest = "model-request", Activity, Info Error Warning {
                /// Who runs the model, such as `example-ai`.
                provider: String,
                /// The model, such as `large-5`.
                model: String,
                /// What the model is asked, concealed.
                prompt: Option<Concealed>,
                /// What the model answers, concealed.
                response: Option<Concealed>,
                /// The tokens of what it is asked, such as `1200`.
                input_tokens: Option<u64>,
                /// The tokens of what it answers, such as `310`.
                output_tokens: Option<u64>,
            }

            /// A server is started.
            ServerStarted = "server-started", Activity, Notice Error Warning {
                /// The server, such as `files`.
                server: String,
                /// Its version, such as `1.4.0`.
                version: Option<String>,
            }

            /// A server is stopped.
            ServerStopped = "server-stopped", Activity, Notice Error Warning {
                /// The server, such as `files`.
                server: String,
                /// Why, such as `idle`.
                reason: Option<String>,
            }

            /// A question of a server is shown to a user.
            ElicitationSent = "elicitation-sent", Activity, Info Error Warning {
                /// The id of the question, such as `elicit-3`.
                request: String,
                /// What is shown, concealed.
                message: Option<Concealed>,
            }

            /// A user's answer to a question of a server arrives.
            ElicitationReceived = "elicitation-received", Activity, Info Error Warning {
                /// The id of the question, such as `elicit-3`.
                request: String,
                /// What the user chose to do: `accept`, `decline` or `cancel`.
                choice: String,
                /// The answer, concealed.
                content: Option<Concealed>,
            }

            /// Something happens that no right allows.
            SecurityViolation = "security-violation", Security, Critical Alert Alert {
                /// The rule that is broken, such as `path-outside-root`.
                rule: String,
                /// What happened, such as `a link led out of /srv`.
                finding: String,
            }

            /// An agent begins another one.
            SubAgentSpawned = "sub-agent-spawned", Activity, Notice Error Warning {
                /// The new agent, such as `agent-8`.
                agent: String,
                /// What it is to do, concealed.
                task: Option<Concealed>,
            }

            /// A configuration is read anew.
            ConfigurationReloaded = "configuration-reloaded", Security, Notice Error Warning {
                /// Where it stands, such as `/etc/agent.toml`.
                source: String,
                /// What it is now, concealed.
                content: Option<Concealed>,
            }

            /// An agent is made known.
            AgentRegistered = "agent-registered", Security, Notice Error Warning {
                /// The agent, such as `agent-7`.
                agent: String,
                /// Its public key in hexadecimal, such as `d75a9801`.
                key: Option<String>,
            }

            /// An agent is confined.
            AgentSandboxed = "agent-sandboxed", Security, Notice Error Warning {
                /// The agent, such as `agent-7`.
                agent: String,
                /// What confines it, such as `no-network`.
                profile: String,
            }

            /// An agent is no longer known.
            AgentDeregistered = "agent-deregistered", Security, Notice Error Warning {
                /// The agent, such as `agent-7`.
                agent: String,
                /// Why, such as `replaced`.
                reason: Option<String>,
            }

            /// A container is made.
            ContainerCreated = "container-created", Activity, Notice Error Warning {
                /// The container, such as `build-31`.
                container: String,
                /// Its image, such as `registry.example.org/build:7`.
                image: String,
                /// The digest of the image.
                digest: Option<Concealed>,
            }

            /// A container is started.
            ContainerStarted = "container-started", Activity, Notice Error Warning {
                /// The container, such as `build-31`.
                container: String,
            }

            /// A container ends, or is asked to.
            ContainerStopped = "container-stopped", Activity, Notice Error Warning {
                /// The container, such as `build-31`.
                container: String,
                /// What it answers as it ends, such as `0`.
                exit_code: Option<u64>,
            }

            /// A container is ended without being asked.
            ContainerKilled = "container-killed", Security, Warning Error Warning {
                /// The container, such as `build-31`.
                container: String,
                /// Why, such as `out of memory`.
                reason: Option<String>,
            }

            /// A package is installed.
            PackageInstalled = "package-installed", Security, Notice Error Warning {
                /// The package, such as `libfoo`.
                package: String,
                /// Its version, such as `2.1.0`.
                version: String,
                /// The digest of what was installed.
                digest: Option<Concealed>,
            }

            /// A package is replaced by another version of it.
            PackageUpdated = "package-updated", Security, Notice Error Warning {
                /// The package, such as `libfoo`.
                package: String,
                /// The version before, such as `2.1.0`.
                previous: String,
                /// The version now, such as `2.2.0`.
                version: String,
                /// The digest of what was installed.
                digest: Option<Concealed>,
            }

            /// A package is removed.
            PackageRemoved = "package-removed", Security, Notice Error Warning {
                /// The package, such as `libfoo`.
                package: String,
                /// Its version, such as `2.2.0`.
                version: String,
            }

            /// A signature is checked. One that is wrong is a failure.
            SignatureVerified = "signature-verified", Security, Info Alert Warning {
                /// What is signed, such as `libfoo-2.2.0.tar`.
                subject: String,
                /// Whose key it has to be, such as `release-key-4`.
                key: String,
            }

            /// A key is replaced.
            KeyRotated = "key-rotated", Security, Notice Critical Warning {
                /// What the key is for, such as `release`.
                purpose: String,
                /// The key before, such as `release-key-4`.
                previous: String,
                /// The key from now on, such as `release-key-5`.
                next: String,
            }

            /// A policy is broken.
            PolicyViolated = "policy-violated", Security, Error Error Error {
                /// The policy, such as `data-residency`.
                policy: String,
                /// What breaks it, such as `a copy in another region`.
                finding: String,
            }

            /// Somebody tries to get in.
            IntrusionAttempted = "intrusion-attempted", Security, Critical Alert Alert {
                /// From where, such as `192.0.2.7`.
                source: String,
                /// How, such as `credential stuffing`.
                method: String,
            }

            /// Anything else.
            Custom = "custom", Activity, Info Error Warning {
                /// Its name: up to 64 lower-case letters, digits, `-` and `.`, such as `invoice.paid`.
                name: String,
                /// The category that it belongs to: `activity` or `security`.
                category: Category,
                /// What else there is to say, such as `{"invoice":"2026-118"}`.
                document: Json,
            }
        }
    };
}
