export function runReadmeExample(packageFolder: string, home?: string): { printed: string[]; promised: string[] };
export function missingFromReadme(packageFolder: string): string[];
