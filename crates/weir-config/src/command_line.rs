//! `weir run --listen ADDRESS SERVER…` as the tree of a file, so that one check serves both.
//!
//! The text that errors point into is the command line itself.

use crate::tree::{Content, Node, Span};

const POOL: &str = "servers";

/// The command line as text, and as the tree of the file that it stands for.
pub(crate) fn compose(listen: &str, servers: &[String]) -> (String, Node) {
    let mut line = CommandLine { text: String::from("weir run --listen") };
    let bind = line.argument(listen);
    let servers: Vec<Node> = servers.iter().map(|server| line.argument(server)).collect();
    let whole = line.end();
    let servers_span = servers.first().map_or(whole, |first| first.span);
    let servers = Node { span: servers_span, content: Content::List(servers) };
    let listener = Node::map(bind.span, vec![("bind", bind), ("pool", Node::plain(whole, POOL))]);
    let pools = Node::map(servers.span, vec![(POOL, Node::map(servers.span, vec![("servers", servers)]))]);
    let listeners = Node { span: listener.span, content: Content::List(vec![listener]) };
    let root = Node::map(whole, vec![("listeners", listeners), ("pools", pools)]);
    (line.text, root)
}

struct CommandLine {
    text: String,
}

impl CommandLine {
    fn argument(&mut self, argument: &str) -> Node {
        self.text.push(' ');
        let column = self.column();
        // Errors are shown on one line.
        self.text.extend(argument.chars().map(|c| if c.is_control() { ' ' } else { c }));
        let span = Span::on_line(1, column, self.column() - column);
        Node::plain(span, argument)
    }

    fn end(&self) -> Span {
        Span::point(1, self.column())
    }

    fn column(&self) -> u32 {
        u32::try_from(self.text.chars().count()).unwrap_or(u32::MAX - 1).saturating_add(1)
    }
}
