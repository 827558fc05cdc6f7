export function runReadmeExample(packageFolder: string): { printed: string[]; promised: string[] };
export function missingFromReadme(packageFolder: string): string[];
