// Runs axe-core, which is in the page already, and returns what it found as one line of text per element.
async (runOnly) => {
  const found = await axe.run(document, {
    runOnly,
    resultTypes: ["violations", "incomplete"],
  });
  const why = (node) => [...node.any, ...node.all, ...node.none].map((check) => check.message).join("; ");
  const lines = (rules) =>
    rules.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(" ")}: ${why(node)}`));
  return { violations: lines(found.violations), incomplete: lines(found.incomplete) };
}
