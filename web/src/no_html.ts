// No string becomes HTML on this page. The page's policy (template.html) asks browsers that know Trusted Types to send
// every assignment of innerHTML and the like through this one, and all that ECharts needs is to empty an element.
interface TrustedTypes { createPolicy(name: string, rules: { createHTML: (text: string) => string }): unknown }

export function forbidHtml(): void {
  (window as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy('default', { createHTML: () => '' });
}
